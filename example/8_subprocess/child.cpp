// SPDX-License-Identifier: BSL-1.0
// What goes wrong with a child goes wrong with its stdout: it is late, too long, unasked, or ends.
#include "child.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace front {

using namespace std::chrono_literals;

Child::Child(tornado::IOLoop& loop, std::vector<std::string> const& program, Limits const& limits)
    : loop_(loop), program_(program), limits_(limits) {
    start();
    watch();
}

Child::~Child() {
    end();
}

void Child::start() {
    tornado::SubprocessOptions options;
    options.stdin_ = tornado::Subprocess::STREAM;
    options.stdout_ = tornado::Subprocess::STREAM;
    options.stderr_ = tornado::Subprocess::to_stdout; // a complaint is an answer, too
    process_.emplace(loop_, program_, options);
    said_too_much_ = false;
}

void Child::end() noexcept {
    stop_watching_.emit(asio::cancellation_type::terminal);
    if (!process_)
        return;
    try {
        process_->kill();
    } catch (tornado::system_error const&) { // it has become another user's
    }
    process_->stdout_stream()->close(); // a process of its own may still hold the other end
    process_.reset();
}

// Between questions: what the child says now would be the next client's answer.
void Child::watch() {
    process_->stdout_stream()->read_bytes(
        1, asio::bind_cancellation_slot(stop_watching_.slot(),
                                        [this](tornado::error_code ec, std::string const&) {
                                            if (ec == asio::error::operation_aborted)
                                                return;
                                            said_too_much_ = !ec;
                                            end();
                                        }));
}

asio::awaitable<std::string> Child::answer(std::string question) {
    stop_watching_.emit(asio::cancellation_type::terminal);
    co_await asio::post(loop_.context(), asio::use_awaitable); // it has stopped by then
    if (!process_) {
        co_await pause();
        start();
    }
    auto const out = process_->stdout_stream();
    auto const limit =
        loop_.call_later(limits_.answer_time, [out] { out->close(asio::error::timed_out); });
    process_->stdin_stream()->write(std::move(question));
    auto [ec, line] =
        co_await out->read_until("\n", limits_.answer, asio::as_tuple(asio::use_awaitable));
    loop_.remove_timeout(limit);

    if (ec || !process_) {
        end();
        if (ec == tornado::errc::stream_closed && ec != asio::error::timed_out)
            ++failures_;
        throw std::runtime_error(what_went_wrong(ec));
    }
    failures_ = 0;
    watch();
    co_return line;
}

// A program that ends again and again is not started as often as it is asked.
asio::awaitable<void> Child::pause() {
    if (failures_ == 0)
        co_return;
    auto const delay =
        std::min<std::chrono::milliseconds>(50ms * (1 << std::min(failures_, 7U)), 5s);
    asio::steady_timer timer(loop_.context(), delay);
    co_await timer.async_wait(asio::use_awaitable);
}

std::string Child::what_went_wrong(tornado::error_code ec) const {
    if (said_too_much_)
        return program_[0] + " said more than it was asked";
    if (ec == asio::error::timed_out)
        return "no answer in " + std::to_string(limits_.answer_time.count()) + " ms";
    if (ec == tornado::error::unsatisfiable_read)
        return "the answer is longer than " + std::to_string(limits_.answer) + " bytes";
    return program_[0] + " ended without an answer";
}

} // namespace front
