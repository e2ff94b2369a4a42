# SPDX-License-Identifier: BSL-1.0
# What all targets of the project have in common.

# tornado_asio_target(<target>): the project's warnings.
function(tornado_asio_target target)
    target_compile_options(
        ${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
        $<$<BOOL:${TORNADO_ASIO_WARNINGS_AS_ERRORS}>:-Werror>
        # g++ 12 takes the concatenation of short strings for an overlap (GCC bug 105651).
        $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
    )
endfunction()

# tornado_asio_precompile(<target> <header>...): that, and a precompiled header, which most of a small source's time goes
# into. tornado_asio_reuse(<target> <other>) shares it with a target of the same options.
function(tornado_asio_precompile target)
    tornado_asio_target(${target})
    if(TORNADO_ASIO_PRECOMPILE)
        target_precompile_headers(${target} PRIVATE ${ARGN})
    endif()
endfunction()
function(tornado_asio_reuse target other)
    tornado_asio_target(${target})
    if(TORNADO_ASIO_PRECOMPILE)
        target_precompile_headers(${target} REUSE_FROM ${other})
    endif()
endfunction()
