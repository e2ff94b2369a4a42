// SPDX-License-Identifier: BSL-1.0
// The command line, and the life of one connection.
#include <tornado.hpp>

#include "operands.hpp"
#include "options.hpp"
#include "pool.hpp"
#include "serve.hpp"

#include <memory>
#include <stdexcept>
#include <utility>

namespace asio = boost::asio;

asio::awaitable<void> serve(std::shared_ptr<front::Pool> pool, tornado::IOStreamPtr stream) {
    for (;;) {
        auto question = co_await stream->read_until("\n", pool->limits().question);
        auto answer = co_await pool->ask(std::move(question));
        co_await stream->write(std::move(answer));
    }
}

int main(int argc, char** argv) {
    return example::run("front", [&] {
        auto program = example::take_operands(argc, argv);
        if (program.empty())
            program = {"bc"};
        example::Place place;
        front::Limits limits;
        example::Options options("front [PROGRAM [ARGUMENT...]]",
                                 "a program that answers lines, for many clients; default: bc");
        place.add_to(options);
        options.add("children", &limits.children, "how many run at a time");
        options.add("max-waiting", &limits.waiting, "questions that wait for one of them");
        options.add("max-question", &limits.question, "bytes; a longer one ends its connection");
        options.add("max-answer", &limits.answer, "bytes; a longer one ends the child");
        options.add("answer-time", &limits.answer_time, "a later answer ends the child");
        if (!options.parse(argc, argv))
            return;
        if (limits.children == 0)
            throw std::invalid_argument("--children must be at least 1");

        tornado::IOLoop loop;
        auto const pool = std::make_shared<front::Pool>(loop, std::move(program), limits);
        tornado::TCPServerOptions connections;
        connections.half_close = true; // who has asked everything still waits for the answers
        tornado::TCPServer server(
            loop,
            [pool](tornado::IOStreamPtr stream, tornado::Address) {
                return serve(pool, std::move(stream));
            },
            connections);
        example::serve(loop, server, place, "tcp");
    });
}
