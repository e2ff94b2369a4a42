# SPDX-License-Identifier: BSL-1.0
# The port of the tree that it lies in.
get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../../.." ABSOLUTE)

vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        -DTORNADO_ASIO_BUILD_TESTS=OFF
        -DTORNADO_ASIO_BUILD_EXAMPLES=OFF
        -DTORNADO_ASIO_BUILD_BENCH=OFF
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME tornado_asio CONFIG_PATH lib/cmake/tornado_asio)
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
