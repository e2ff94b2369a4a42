# SPDX-License-Identifier: BSL-1.0
# What the project stands on, and where Debian 12 has what is missing.

# tornado_asio_require(<what> <Debian package> <arguments of find_package>...)
macro(tornado_asio_require what package)
    find_package(${ARGN})
    if(NOT ${ARGV2}_FOUND)
        message(
            FATAL_ERROR "tornado_asio needs ${what}: on Debian 12, apt-get install ${package}"
        )
    endif()
endmacro()

tornado_asio_require("Boost 1.81 or newer" libboost1.81-dev Boost 1.81 CONFIG QUIET)
tornado_asio_require("OpenSSL 3 or newer" libssl-dev OpenSSL 3 QUIET)
find_package(Threads REQUIRED)

if(TORNADO_ASIO_BUILD_TESTS)
    tornado_asio_require(
        "Boost.Test 1.81 for its tests (or TORNADO_ASIO_BUILD_TESTS=OFF)" libboost-test1.81-dev
        Boost 1.81 CONFIG QUIET COMPONENTS unit_test_framework
    )
    tornado_asio_require(
        "Python 3 for its tests (or TORNADO_ASIO_BUILD_TESTS=OFF)" python3
        Python3 QUIET COMPONENTS Interpreter
    )
    # What runs on Tornado: of several Pythons it is the system's that has Debian's.
    find_program(TORNADO_ASIO_SUITE_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
    find_program(TORNADO_ASIO_SUITE_PYTHON python3)
endif()
