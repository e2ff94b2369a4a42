# SPDX-License-Identifier: BSL-1.0
# Debian packages by cpack, of a build of the shared library for /usr; scripts/package makes one.
set(TORNADO_ASIO_MAINTAINER "" CACHE STRING "Who makes Debian packages, Name <address>; empty: nobody")
if(NOT TORNADO_ASIO_MAINTAINER)
    return()
endif()

get_target_property(soversion tornado_asio SOVERSION)
set(runtime libtornado-asio${soversion})
set(dev libtornado-asio-dev)
set(doc libtornado-asio-doc)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tornado-asio)
set(CPACK_PACKAGE_CONTACT ${TORNADO_ASIO_MAINTAINER})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each package has its own
set(CPACK_COMPONENTS_ALL tornado_asio_runtime tornado_asio_dev tornado_asio_doc)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE
)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 0upstream1) # older than one that Debian made itself would be

set(about "
IOLoop, TCPServer, TCPClient, IOStream, SSLIOStream and Subprocess of Python's
Tornado for C++20, with its names, order of events and edge cases. Every
operation takes any of Asio's completion tokens, and a stream is one of
Asio's at the same time.")

set(CPACK_DEBIAN_TORNADO_ASIO_RUNTIME_PACKAGE_NAME ${runtime})
set(CPACK_DEBIAN_TORNADO_ASIO_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_TORNADO_ASIO_RUNTIME_PACKAGE_MULTIARCH same)
set(CPACK_DEBIAN_TORNADO_ASIO_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_DEBIAN_TORNADO_ASIO_RUNTIME_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/cmake/debian/triggers)
set(CPACK_DEBIAN_TORNADO_ASIO_RUNTIME_DESCRIPTION "Tornado's TCP layer on Boost.Asio${about}")

set(CPACK_DEBIAN_TORNADO_ASIO_DEV_PACKAGE_NAME ${dev})
set(CPACK_DEBIAN_TORNADO_ASIO_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_TORNADO_ASIO_DEV_PACKAGE_MULTIARCH same)
set(CPACK_DEBIAN_TORNADO_ASIO_DEV_PACKAGE_DEPENDS
    "${runtime} (= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}), libboost1.81-dev | libboost-dev (>= 1.81), libssl-dev (>= 3)"
)
set(CPACK_DEBIAN_TORNADO_ASIO_DEV_PACKAGE_SUGGESTS ${doc})
set(CPACK_DEBIAN_TORNADO_ASIO_DEV_DESCRIPTION
    "Tornado's TCP layer on Boost.Asio (development files)${about}\n\nThe headers, and what CMake and pkg-config want to know."
)

set(CPACK_DEBIAN_TORNADO_ASIO_DOC_PACKAGE_NAME ${doc})
set(CPACK_DEBIAN_TORNADO_ASIO_DOC_PACKAGE_SECTION doc)
set(CPACK_DEBIAN_TORNADO_ASIO_DOC_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_TORNADO_ASIO_DOC_DESCRIPTION
    "Tornado's TCP layer on Boost.Asio (reference and guides)${about}\n\nThe reference of its names, and the guides."
)
install(
    DIRECTORY ${PROJECT_BINARY_DIR}/doc/html
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${doc}
    COMPONENT tornado_asio_doc
)

# What Debian wants to find beside each.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
set(papers ${PROJECT_BINARY_DIR}/debian)
configure_file(${PROJECT_SOURCE_DIR}/cmake/debian/changelog.in ${papers}/changelog.Debian @ONLY)
configure_file(${PROJECT_SOURCE_DIR}/CHANGELOG.md ${papers}/changelog COPYONLY)
execute_process(
    COMMAND gzip -9nf ${papers}/changelog.Debian ${papers}/changelog COMMAND_ERROR_IS_FATAL ANY
)
foreach(component IN ITEMS runtime dev doc)
    install(
        FILES ${papers}/changelog.Debian.gz ${papers}/changelog.gz
              ${PROJECT_SOURCE_DIR}/cmake/debian/copyright
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${${component}}
        COMPONENT tornado_asio_${component}
    )
endforeach()
install(
    FILES ${PROJECT_SOURCE_DIR}/cmake/debian/overrides
    DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides
    RENAME ${runtime}
    COMPONENT tornado_asio_runtime
)

include(CPack)
