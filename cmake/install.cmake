# SPDX-License-Identifier: BSL-1.0
# Installs the library, its headers, the CMake package and the pkg-config file; in two components, what a program needs to
# run, tornado_asio_runtime, and what its maker needs beside that, tornado_asio_dev.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tornado_asio)

install(
    TARGETS tornado_asio
    EXPORT tornado_asioTargets
    LIBRARY COMPONENT tornado_asio_runtime NAMELINK_COMPONENT tornado_asio_dev
    ARCHIVE COMPONENT tornado_asio_dev
    FILE_SET HEADERS COMPONENT tornado_asio_dev
)
install(
    EXPORT tornado_asioTargets
    NAMESPACE tornado_asio::
    DESTINATION ${package_dir}
    COMPONENT tornado_asio_dev
)

configure_package_config_file(
    ${PROJECT_SOURCE_DIR}/cmake/tornado_asioConfig.cmake.in
    ${PROJECT_BINARY_DIR}/tornado_asioConfig.cmake
    INSTALL_DESTINATION ${package_dir}
    NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO
)
write_basic_package_version_file(
    ${PROJECT_BINARY_DIR}/tornado_asioConfigVersion.cmake COMPATIBILITY SameMinorVersion
)
install(
    FILES ${PROJECT_BINARY_DIR}/tornado_asioConfig.cmake
          ${PROJECT_BINARY_DIR}/tornado_asioConfigVersion.cmake
    DESTINATION ${package_dir}
    COMPONENT tornado_asio_dev
)

# A static library needs OpenSSL and the threads from whoever links it; a shared one brings them.
if(TORNADO_ASIO_TYPE STREQUAL "STATIC_LIBRARY")
    set(pc_private "")
    set(pc_libs " -pthread")
    set(pc_define " -DTORNADO_ASIO_STATIC")
else()
    set(pc_private ".private")
    set(pc_libs "")
    set(pc_define "")
endif()

# Boost has no pkg-config file: name its folder, unless the compiler looks there anyway.
set(pc_boost "")
foreach(dir IN LISTS Boost_INCLUDE_DIRS)
    if(NOT dir IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
        string(APPEND pc_boost " -I${dir}")
    endif()
endforeach()

# The file finds its prefix by its own place, so that an installed tree may be moved.
file(RELATIVE_PATH pc_prefix "/x/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/x")
set(pc_prefix "\${pcfiledir}/${pc_prefix}")
configure_file(
    ${PROJECT_SOURCE_DIR}/cmake/tornado_asio.pc.in ${PROJECT_BINARY_DIR}/tornado_asio.pc @ONLY
)
install(
    FILES ${PROJECT_BINARY_DIR}/tornado_asio.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
    COMPONENT tornado_asio_dev
)
