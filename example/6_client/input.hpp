// SPDX-License-Identifier: BSL-1.0
// Standard input on the loop, whatever it is: a terminal, a pipe, a file.
#pragma once

#include "tornado/error.hpp"
#include "tornado/ioloop.hpp"

#include <functional>
#include <string_view>

/// Reads a descriptor that stays as it was, a blocking one: others may share it.
class Input {
public:
    /// Gets what was read; nothing, or an error, is the end. May not destroy the Input.
    using Handler = std::function<void(tornado::error_code ec, std::string_view data)>;

    /// Reads from now on. `loop` and `fd` must outlive the Input.
    Input(tornado::IOLoop& loop, int fd, Handler on_data);
    Input(Input const&) = delete;
    Input& operator=(Input const&) = delete;
    ~Input();

    void pause();
    void resume();

private:
    void read();

    tornado::IOLoop& loop_;
    int fd_;
    Handler on_data_;
    bool can_wait_ = true;
    bool ended_ = false;
    tornado::Timeout turn_; // of a file, which is always ready
};
