// SPDX-License-Identifier: BSL-1.0
#include "tornado/base_iostream.hpp"

#include "tornado/ioloop.hpp"

#include "iostream/stream_core.hpp"
#include "transport/source_file.hpp"

#include <boost/asio/query.hpp>

namespace tornado {

// ---- WriteOperation

void WriteOperation::throw_failure() const {
    if (failure_ == error::buffer_full && !stream_->closed())
        throw system_error(failure_, "write");
}

// ---- BaseIOStream

BaseIOStream::BaseIOStream(std::shared_ptr<detail::StreamCore> core) noexcept
    : core_(std::move(core)) {
    core_->serve(*this);
}

BaseIOStream::~BaseIOStream() {
    core_->orphan();
}

BaseIOStream::executor_type const& BaseIOStream::get_executor() const noexcept {
    return core_->transport().executor();
}

IOLoop* BaseIOStream::loop() const noexcept {
    return IOLoop::of(asio::query(get_executor(), asio::execution::context));
}

void BaseIOStream::check_delimiter(std::string_view delimiter) {
    static_cast<void>(detail::ReadRequest::until(delimiter));
}

void BaseIOStream::check_expression(std::string_view expression) {
    static_cast<void>(detail::ReadRequest::until_regex(expression)); // and keeps it compiled
}

void BaseIOStream::start_read_until(std::string_view delimiter, std::size_t max_bytes,
                                    detail::StringCompletion&& handler) {
    auto request = detail::ReadRequest::until(delimiter, max_bytes);
    core_->read(std::move(request), std::move(handler));
}

void BaseIOStream::start_read_until_regex(std::string_view expression, std::size_t max_bytes,
                                          detail::StringCompletion&& handler) {
    auto request = detail::ReadRequest::until_regex(expression, max_bytes);
    core_->read(std::move(request), std::move(handler));
}

void BaseIOStream::start_read_bytes(std::size_t n, bool partial,
                                    detail::StringCompletion&& handler) {
    core_->read(detail::ReadRequest::bytes(n, partial), std::move(handler));
}

void BaseIOStream::start_read_until_close(detail::StringCompletion&& handler) {
    core_->read(detail::ReadRequest::until_close(), std::move(handler));
}

void BaseIOStream::start_read_into(asio::mutable_buffer buffer, bool partial,
                                   detail::SizeCompletion&& handler) {
    core_->read_into(buffer, partial, std::move(handler));
}

std::string_view BaseIOStream::buffered() noexcept {
    return core_->buffered();
}

void BaseIOStream::consume(std::size_t n) {
    core_->consume(n);
}

void BaseIOStream::start_fill(detail::SizeCompletion&& handler) {
    core_->fill(std::move(handler));
}

void BaseIOStream::start_fill(std::size_t n, detail::SizeCompletion&& handler) {
    core_->fill(n, std::move(handler));
}

WriteOperation BaseIOStream::write(std::string&& data) {
    auto operation = start_write(std::move(data));
    operation.throw_if_full();
    return operation;
}

WriteOperation BaseIOStream::write(std::string_view data) {
    auto operation = start_write(data);
    operation.throw_if_full();
    return operation;
}

WriteOperation BaseIOStream::write(asio::const_buffer data) {
    return write(std::string_view(static_cast<char const*>(data.data()), data.size()));
}

WriteOperation BaseIOStream::start_write(std::string&& data) {
    WriteOperation operation(this);
    operation.end_ = core_->write(std::move(data), operation.failure_);
    return operation;
}

WriteOperation BaseIOStream::start_write(std::string_view data) {
    WriteOperation operation(this);
    operation.end_ = core_->write(data, operation.failure_);
    return operation;
}

void BaseIOStream::start_wait_written(std::uint64_t end, error_code const& failure,
                                      detail::VoidCompletion&& handler) {
    core_->wait_written(end, failure, std::move(handler));
}

void BaseIOStream::start_write_some(asio::const_buffer const* buffers, std::size_t count,
                                    detail::SizeCompletion&& handler) {
    core_->write_some({buffers, count}, std::move(handler));
}

BaseIOStream::Source BaseIOStream::open_source(int descriptor, std::uint64_t offset,
                                               std::uint64_t count) {
    return std::make_shared<detail::SourceFile const>(descriptor, offset, count);
}

void BaseIOStream::start_send_file(Source file, detail::FileCompletion&& handler) {
    core_->send_file(std::move(file), std::move(handler));
}

void BaseIOStream::set_close_callback(std::function<void()> callback) {
    core_->set_close_callback(std::move(callback));
}

void BaseIOStream::close(error_code cause) {
    core_->close(cause);
}

void BaseIOStream::close_after_flush(clock::duration deadline) {
    core_->close_after_flush(deadline);
}

void BaseIOStream::shutdown_write() {
    core_->shutdown_write();
}

bool BaseIOStream::closed() const noexcept {
    return core_->closed();
}

bool BaseIOStream::reading() const noexcept {
    return core_->reading();
}

bool BaseIOStream::writing() const noexcept {
    return core_->writing();
}

error_code BaseIOStream::error() const noexcept {
    return core_->error();
}

void BaseIOStream::set_write_watermarks(std::size_t low, std::size_t high,
                                        std::function<void(bool)> callback) {
    core_->set_write_watermarks(low, high, std::move(callback));
}

std::uint64_t BaseIOStream::id() const noexcept {
    return core_->id();
}

std::uint64_t BaseIOStream::bytes_read() const noexcept {
    return core_->bytes_read();
}

std::uint64_t BaseIOStream::bytes_written() const noexcept {
    return core_->bytes_written();
}

} // namespace tornado
