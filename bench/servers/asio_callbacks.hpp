// SPDX-License-Identifier: BSL-1.0
// A session of plain Asio, written the usual way with callbacks, over a socket or over TLS.
#pragma once

#include "server.hpp"

#include <boost/asio.hpp>

#include <memory>
#include <string>
#include <vector>

namespace bench {

namespace asio = boost::asio;

/// Reads and answers until the peer ends.
template <class Stream>
class Session : public std::enable_shared_from_this<Session<Stream>> {
public:
    Session(Stream stream, Workload workload) : stream_(std::move(stream)), workload_(workload) {
        if (workload_.mode == Mode::block)
            block_.resize(workload_.size);
        else if (workload_.mode != Mode::line)
            block_.resize(usual_buffer);
    }

    Stream& stream() { return stream_; }

    void read() {
        auto self = this->shared_from_this();
        auto received = [self](boost::system::error_code ec, std::size_t n) {
            if (!ec)
                self->answer(n);
        };
        if (workload_.mode == Mode::line)
            asio::async_read_until(stream_, asio::dynamic_buffer(line_), '\n', received);
        else if (workload_.mode == Mode::block)
            asio::async_read(stream_, asio::buffer(block_), received);
        else
            stream_.async_read_some(asio::buffer(block_), received);
    }

private:
    void answer(std::size_t n) {
        if (workload_.mode == Mode::sink)
            return read();
        bool const line = workload_.mode == Mode::line;
        auto const data = line ? asio::buffer(line_, n) : asio::buffer(block_, n);
        asio::async_write(stream_, data,
                          [self = this->shared_from_this(), line](boost::system::error_code ec,
                                                                  std::size_t sent) {
                              if (ec)
                                  return;
                              if (line)
                                  self->line_.erase(0, sent);
                              self->read();
                          });
    }

    Stream stream_;
    Workload workload_;
    std::string line_;
    std::vector<char> block_;
};

} // namespace bench
