// SPDX-License-Identifier: BSL-1.0
// multi: all results in order, or the first failure when all have ended.
#include "tornado/gen.hpp"
#include "tornado/testing.hpp"

#include "support/events.hpp"
#include "support/io.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/test/unit_test.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

using namespace tornado;
using namespace tornado::test;
using namespace std::literals;

namespace {

/// Things that end when the test says so, whose record is `events`.
struct Works {
    Io io;
    Events events;
    std::vector<std::unique_ptr<asio::steady_timer>> timers;

    template <class T>
    asio::awaitable<T> work(std::string name, T result, bool fails = false) {
        events.add(name);
        auto& timer = *timers.emplace_back(
            std::make_unique<asio::steady_timer>(io.context, asio::steady_timer::duration::max()));
        error_code ec;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        events.add(name + "." + word(ec));
        if (fails)
            throw std::runtime_error(name);
        auto const state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none)
            throw system_error(asio::error::operation_aborted);
        co_return result;
    }

    void end(std::size_t which) {
        io.run_until([&] { return timers.size() > which; });
        timers[which]->cancel();
        io.poll();
    }
};

template <class F>
std::string thrown_by(F f) {
    try {
        f();
    } catch (system_error const& e) {
        return word(e.code());
    } catch (std::exception const& e) {
        return e.what();
    }
    return "nothing";
}

} // namespace

BOOST_AUTO_TEST_SUITE(multi_)

BOOST_AUTO_TEST_CASE(results_of_any_kind_in_the_order_of_the_arguments) {
    Works w;
    auto const nothing = [&]() -> asio::awaitable<void> { co_await w.work<int>("b", 0); };
    auto both = [&]() -> asio::awaitable<void> {
        auto [text, none, number] = co_await multi(w.work<std::string>("a", "text"), nothing(),
                                                   w.work<std::unique_ptr<int>>("c", nullptr));
        BOOST_TEST(text == "text");
        static_assert(std::is_same_v<decltype(none), std::monostate>);
        BOOST_TEST((number == nullptr));
        w.events.add("all");
    };
    asio::co_spawn(w.io.context, both(), asio::detached);
    w.end(2);
    w.end(0);
    BOOST_TEST(w.events.take() == "a, b, c, c.aborted, a.aborted");
    w.end(1);
    BOOST_TEST(w.events.take() == "b.aborted, all");
    w.io.run();
}

BOOST_AUTO_TEST_CASE(a_vector_of_them) {
    Works w;
    asio::co_spawn(
        w.io.context,
        [&]() -> asio::awaitable<void> {
            std::vector<asio::awaitable<int>> all;
            for (int i = 0; i < 3; ++i)
                all.push_back(w.work<int>(std::to_string(i), i * i));
            auto const results = co_await multi(std::move(all));
            BOOST_TEST((results == std::vector<int>{0, 1, 4}));
            std::vector<asio::awaitable<void>> without_result;
            for (int i = 0; i < 3; ++i)
                without_result.push_back(sleep(0s, asio::use_awaitable));
            co_await multi(std::move(without_result));
            w.events.add("all");
        },
        asio::detached);
    w.end(1);
    w.end(2);
    w.end(0);
    w.io.run();
    BOOST_TEST(w.events.take() == "0, 1, 2, 1.aborted, 2.aborted, 0.aborted, all");
}

BOOST_AUTO_TEST_CASE(results_that_are_not_made_out_of_nothing) {
    struct Given { // move-only, and never without a value
        explicit Given(int n) : value(std::make_unique<int>(n)) {}
        std::unique_ptr<int> value;
    };
    Io io;
    io.run_test([]() -> asio::awaitable<void> {
        auto const give = [](int n) -> asio::awaitable<Given> {
            co_await sleep(0s);
            if (n < 0)
                throw std::runtime_error("negative");
            co_return Given(n);
        };
        auto const [one, two] = co_await multi(give(1), give(2));
        BOOST_TEST(*one.value + *two.value == 3);
        std::vector<asio::awaitable<Given>> all;
        for (int const n : {3, 4, 5})
            all.push_back(give(n));
        auto const results = co_await multi(std::move(all));
        BOOST_TEST(results.size() == 3u);
        BOOST_TEST(*results.back().value == 5);
        bool thrown = false;
        try {
            co_await multi(give(1), give(-1));
        } catch (std::runtime_error const&) {
            thrown = true;
        }
        BOOST_TEST(thrown);
        std::vector<asio::awaitable<bool>> truths; // a vector of bits
        for (bool const truth : {true, false})
            truths.push_back([](bool b) -> asio::awaitable<bool> { co_return b; }(truth));
        auto const answers = co_await multi(std::move(truths));
        BOOST_TEST(answers.front());
        BOOST_TEST(!answers.back());
    });
}

BOOST_AUTO_TEST_CASE(none_at_all) {
    Io io;
    io.run_test([]() -> asio::awaitable<void> {
        static_assert(std::is_same_v<decltype(multi()), asio::awaitable<std::tuple<>>>);
        co_await multi();
        auto const results = co_await multi(std::vector<asio::awaitable<int>>());
        BOOST_TEST(results.empty());
        co_await multi(std::vector<asio::awaitable<void>>());
    });
}

BOOST_AUTO_TEST_CASE(a_failure_waits_for_the_others_and_the_first_in_order_is_thrown) {
    for (bool const in_vector : {false, true}) {
        Works w;
        CapturedLog log;
        std::exception_ptr end;
        auto const run = [&w, in_vector]() -> asio::awaitable<void> {
            std::vector<asio::awaitable<int>> all;
            all.push_back(w.work<int>("a", 0));
            all.push_back(w.work<int>("b", 0, true));
            all.push_back(w.work<int>("c", 0, true));
            if (in_vector)
                co_await multi(std::move(all));
            else
                co_await multi(std::move(all[0]), std::move(all[1]), std::move(all[2]));
        };
        asio::co_spawn(w.io.context, run(), [&](std::exception_ptr e) {
            w.events.add("over");
            end = e;
        });
        w.end(2);
        w.end(1);
        BOOST_TEST(w.events.take() == "a, b, c, c.aborted, b.aborted"); // the first goes on
        w.end(0);
        BOOST_TEST(w.events.take() == "a.aborted, over");
        BOOST_TEST(thrown_by([&] { std::rethrow_exception(end); }) == "b");
        BOOST_TEST(log.lines().size() == 1u);
        BOOST_TEST(log.count("multi: more than one has failed, this one too: "
                             "std::runtime_error: c") == 1);
    }
}

BOOST_AUTO_TEST_CASE(a_cancellation_reaches_each_and_is_not_logged) {
    Works w;
    CapturedLog log;
    auto const both = [&](bool fails) -> asio::awaitable<void> {
        co_await multi(w.work<int>("a", 0), w.work<int>("b", 0, fails), w.work<int>("c", 0));
    };
    BOOST_TEST(thrown_by([&] { w.io.run_test([&] { return with_timeout(1ms, both(false)); }); }) ==
               "timeout");
    BOOST_TEST(w.events.take() == "a, b, c, a.aborted, b.aborted, c.aborted");
    // The failure that is one goes before.
    BOOST_TEST(thrown_by([&] { w.io.run_test([&] { return with_timeout(1ms, both(true)); }); }) ==
               "b");
    BOOST_TEST(log.lines().empty());
    w.io.run();
}

BOOST_AUTO_TEST_CASE(a_context_that_ends_meanwhile_leaves_nothing) {
    auto const held = std::make_shared<int>(1);
    {
        Works w;
        asio::co_spawn(
            w.io.context,
            [&, held]() -> asio::awaitable<void> {
                co_await multi(w.work<std::shared_ptr<int>>("a", held),
                               w.work<std::shared_ptr<int>>("b", held));
            },
            asio::detached);
        w.io.poll();
        BOOST_TEST(w.timers.size() == 2u);
        BOOST_TEST(held.use_count() > 1);
        w.timers.clear();
    }
    BOOST_TEST(held.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
