// SPDX-License-Identifier: BSL-1.0
// Which version of the library this is, for the preprocessor.
#pragma once

/// @file
/// Which version of the library this is, for the preprocessor.

/// A number that grows with each version: 10000 for the major number, 100 for the minor one, and
/// the patch. Semantic Versioning: before 1.0 a minor version may change the interface.
///
///     #if TORNADO_ASIO_VERSION >= 200
#define TORNADO_ASIO_VERSION 100

/// The same as text.
#define TORNADO_ASIO_VERSION_STRING "0.1.0"
