// SPDX-License-Identifier: BSL-1.0
// set_blocking_log_threshold: one warning for a callback that blocks, none for a loop that turns.
#include "tornado/ioloop.hpp"
#include "tornado/log.hpp"

#include "support/bounded_loop.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <semaphore>
#include <stdexcept>
#include <string>

using namespace tornado;
using namespace std::chrono_literals;
using test::run_bounded;

namespace {

/// Counts warnings of blockage, and lets a callback block until one has come.
class Blockages {
public:
    Blockages() {
        set_log_sink([this](LogRecord const& record) {
            if (record.message.find("IOLoop blocked for 0.") == 0 &&
                record.level == LogLevel::warning) {
                ++count_;
                logged_.release();
            }
        });
    }
    Blockages(Blockages const&) = delete;
    Blockages& operator=(Blockages const&) = delete;
    ~Blockages() { set_log_sink({}); }

    bool block() { return logged_.try_acquire_for(30s); }
    int count() const { return count_; }

private:
    std::atomic<int> count_ = 0;
    std::counting_semaphore<> logged_{0};
};

} // namespace

BOOST_AUTO_TEST_SUITE(ioloop_watchdog)

BOOST_AUTO_TEST_CASE(each_blockage_is_logged_once) {
    Blockages blockages;
    IOLoop loop;
    loop.set_blocking_log_threshold(20ms);
    loop.add_callback([&] {
        BOOST_TEST(blockages.block());
        // Behind the answer to the watchdog, which waits in the queue by now.
        loop.call_later(1ms, [&] {
            BOOST_TEST(blockages.block());
            loop.stop();
        });
    });
    run_bounded(loop);
    BOOST_TEST(blockages.count() == 2);
}

BOOST_AUTO_TEST_CASE(it_is_switched_on_and_off_while_the_loop_runs) {
    Blockages blockages;
    IOLoop loop;
    loop.add_callback([&] {
        loop.set_blocking_log_threshold(10ms);
        BOOST_TEST(blockages.block());
        loop.set_blocking_log_threshold({});
        loop.stop();
    });
    run_bounded(loop);
    BOOST_TEST(blockages.count() == 1);
}

BOOST_AUTO_TEST_CASE(a_loop_that_turns_or_rests_is_not_blocked) {
    Blockages blockages;
    IOLoop loop;
    loop.set_blocking_log_threshold(5s);
    loop.call_later(5ms, [&] { loop.stop(); });
    run_bounded(loop);
    BOOST_TEST(blockages.count() == 0);
}

BOOST_AUTO_TEST_CASE(a_threshold_must_be_positive) {
    IOLoop loop;
    BOOST_CHECK_THROW(loop.set_blocking_log_threshold(0ms), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(a_watched_loop_is_destroyed_in_its_callback) {
    auto loop = std::make_unique<IOLoop>();
    loop->set_blocking_log_threshold(1s);
    loop->add_callback([&] { loop.reset(); });
    loop->start();
    BOOST_TEST(!loop);
}

BOOST_AUTO_TEST_SUITE_END()
