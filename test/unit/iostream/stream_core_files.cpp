// SPDX-License-Identifier: BSL-1.0
// A file between writes, against a scripted transport: short, slow, and broken at each step.
#include "iostream/stream_core.hpp"

#include "tornado/testing.hpp"

#include "support/events.hpp"
#include "support/scripted_stream.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

constexpr std::size_t file_size = 150000;

/// Played to its end: what arrived, and what the operations were told.
struct Played {
    std::string events;
    std::string said;
    std::size_t calls;

    Played(std::size_t write_limit, std::size_t slowness, std::size_t fail_at = Wire::none) {
        Scripted io;
        Events told;
        io.wire->write_limit = write_limit;
        io.wire->slowness = slowness;
        io.wire->fail_at = fail_at;
        int const file = ::memfd_create("file", MFD_CLOEXEC);
        BOOST_TEST_REQUIRE(::ftruncate(file, file_size + 10) == 0);
        io.stream->set_close_callback(told.at("close"));
        io.stream->write("head", told.on("1"));
        io.stream->send_file(file, 10, file_size, told.on("2"));
        io.stream->write("tail", told.on("3"));
        ::close(file);
        io.stream->close_after_flush();
        io.wire->end();
        io.run();
        events = told.take();
        said = io.wire->sent();
        calls = io.wire->calls;
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(stream_core_files)

BOOST_AUTO_TEST_CASE(a_file_in_every_shape_and_failed_at_every_step) {
    CapturedLog const log;
    auto const all = "head" + std::string(file_size, '\0') + "tail";
    for (std::size_t const limit : {std::size_t(30001), std::size_t(70000), Wire::none})
        for (std::size_t const slowness : {0u, 1u, 3u})
            BOOST_TEST_CONTEXT("at most " << limit << " a call, slow " << slowness) {
                Played const whole(limit, slowness);
                BOOST_TEST((whole.said == all));
                BOOST_TEST(whole.events == "1, 2:150000, 3, close");
                for (std::size_t step = 0; step < whole.calls; ++step)
                    BOOST_TEST_CONTEXT("failed at " << step) {
                        Played const part(limit, slowness, step);
                        BOOST_TEST((all.compare(0, part.said.size(), part.said) == 0));
                        auto const size = part.said.size();
                        auto const sent =
                            std::min(size - std::min<std::size_t>(size, 4), file_size);
                        auto const two = sent == file_size
                                             ? ""s
                                             : "2!reset" + (sent ? ":" + std::to_string(sent) : "");
                        BOOST_TEST((two.empty() ||
                                    part.events.find(two + ", 3!reset") != std::string::npos),
                                   part.events);
                        BOOST_TEST(part.events.ends_with("close"));
                    }
            }
}

BOOST_AUTO_TEST_CASE(T101_close_sends_what_is_before_a_file_and_no_more) {
    Scripted io;
    Events events;
    int const file = ::memfd_create("file", MFD_CLOEXEC);
    BOOST_TEST_REQUIRE(::ftruncate(file, 10) == 0);
    io.stream->write("head", events.on("1"));
    io.stream->send_file(file, 0, 10, events.on("2"));
    ::close(file);
    io.stream->close();
    BOOST_TEST(io.wire->sent() == "head");
    io.run();
    BOOST_TEST(io.wire->sent() == "head");
    BOOST_TEST(events.take() == "1, 2!closed");
    BOOST_TEST(!io.wire->open);
}

BOOST_AUTO_TEST_SUITE_END()
