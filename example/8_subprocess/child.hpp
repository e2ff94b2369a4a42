// SPDX-License-Identifier: BSL-1.0
// One child program that answers each line with a line, and what it may take for that.
#pragma once

#include "tornado/ioloop.hpp"
#include "tornado/process.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace front {

namespace asio = boost::asio;

struct Limits {
    std::size_t children = 4;       // at a time
    std::size_t waiting = 100;      // questions that wait for a child
    std::size_t question = 1000;    // bytes
    std::size_t answer = 64 * 1024; // bytes
    std::chrono::milliseconds answer_time = std::chrono::seconds(2);
};

/// Asks one question at a time. A child that is late, says too much, or ends is replaced when the
/// next question comes.
class Child {
public:
    /// Starts it. Throws tornado::system_error, which names the program, when that is impossible.
    Child(tornado::IOLoop& loop, std::vector<std::string> const& program, Limits const& limits);
    Child(Child const&) = delete;
    Child& operator=(Child const&) = delete;
    ~Child();

    /// Throws std::runtime_error, or tornado::system_error when it cannot be started again; what()
    /// is for the client.
    asio::awaitable<std::string> answer(std::string question);

private:
    void start();
    void end() noexcept;
    void watch();
    asio::awaitable<void> pause();
    std::string what_went_wrong(tornado::error_code ec) const;

    tornado::IOLoop& loop_;
    std::vector<std::string> const& program_;
    Limits const& limits_;
    std::optional<tornado::Subprocess> process_;
    asio::cancellation_signal stop_watching_;
    bool said_too_much_ = false;
    unsigned failures_ = 0; // ends since the last answer
};

} // namespace front
