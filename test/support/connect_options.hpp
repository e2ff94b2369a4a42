// SPDX-License-Identifier: BSL-1.0
// ConnectOptions in one expression.
#pragma once

#include "tornado/tcpclient.hpp"

#include <type_traits>
#include <utility>

namespace tornado::test {

/// `with(&ConnectOptions::timeout, 1s)`
template <class T>
ConnectOptions with(T ConnectOptions::*option, std::type_identity_t<T> value,
                    ConnectOptions others = {}) {
    others.*option = std::move(value);
    return others;
}

} // namespace tornado::test
