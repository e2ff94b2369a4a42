// SPDX-License-Identifier: BSL-1.0
// Which names a shared library shows: those that are marked here.
#pragma once

// TORNADO_ASIO_STATIC is defined by the package (CMake, pkg-config) of a static library.
#ifdef TORNADO_ASIO_STATIC
#define TORNADO_ASIO_EXPORT
#else
#define TORNADO_ASIO_EXPORT [[gnu::visibility("default")]]
#endif
