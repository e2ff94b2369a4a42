# SPDX-License-Identifier: BSL-1.0
# The options of the build. What surrounds the library is built where this is the project itself, not a part of another.
option(TORNADO_ASIO_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(TORNADO_ASIO_BUILD_BENCH "Offer the benchmarks, as the target bench" ${PROJECT_IS_TOP_LEVEL})
option(TORNADO_ASIO_BUILD_FUZZERS "Build the libFuzzer targets (clang only)" OFF)
option(TORNADO_ASIO_BUILD_TESTS "Build the tests, unless CTest's BUILD_TESTING is off" ${PROJECT_IS_TOP_LEVEL})
option(TORNADO_ASIO_BUILD_SUITE "Run Tornado's own tests on the library too, if pybind11 and Tornado are there" OFF)
option(TORNADO_ASIO_INSTALL "Install the library" ${PROJECT_IS_TOP_LEVEL})
option(TORNADO_ASIO_UNITY_BUILD "Compile the library in a few large pieces: half the time, for whoever builds it once" ON)
option(TORNADO_ASIO_PRECOMPILE "Precompile what tests and examples include" ON)
option(TORNADO_ASIO_WARNINGS_AS_ERRORS "Treat the project's own warnings as errors" OFF)

if(DEFINED BUILD_TESTING AND NOT BUILD_TESTING)
    set(TORNADO_ASIO_BUILD_TESTS OFF)
endif()
