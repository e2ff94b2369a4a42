// SPDX-License-Identifier: BSL-1.0
// What a timeout costs that is set and never reached, beside many that are pending: on the loop,
// with cancel_after's deadlines, with Asio's steady_timer, and with libuv and libevent where they
// are.
//
//     timers [pending] [operations] [rounds]      default: 100000 1000000 9
//
// "newest": set one and cancel it. "any": cancel any of the pending ones and set it anew. Both to
// between one and two minutes from now. Processor time, each kind in turn in every round.
#include "tornado/detail/deadlines.hpp"
#include "tornado/ioloop.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#ifdef BENCH_LIBUV
#include <uv.h>
#endif
#ifdef BENCH_LIBEVENT
#include <event2/event.h>
#endif

namespace {

namespace asio = boost::asio;
using Milliseconds = std::chrono::milliseconds;

/// A kind of timer, of which `pending` exist: set(i, delay) and cancel(i) the i-th; turn() runs
/// what their cancellation has left to do.
struct Kind {
    virtual ~Kind() = default;
    virtual void set(std::size_t i, Milliseconds delay) = 0;
    virtual void cancel(std::size_t i) = 0;
    virtual void turn() = 0;
};

struct OnLoop final : Kind {
    explicit OnLoop(std::size_t n) : timeouts(n) {}
    void set(std::size_t i, Milliseconds delay) override {
        timeouts[i] = loop.call_later(delay, [] { std::abort(); });
    }
    void cancel(std::size_t i) override { loop.remove_timeout(timeouts[i]); }
    void turn() override { loop.context().poll(); }

    tornado::IOLoop loop{false};
    std::vector<tornado::Timeout> timeouts;
};

struct OfOperations final : Kind {
    struct Item final : tornado::detail::Deadline {
        explicit Item(asio::io_context& context) : io(context) {}
        void expire() override { std::abort(); }
        asio::any_io_executor executor() const override { return io.get_executor(); }
        asio::io_context& io;
    };

    explicit OfOperations(std::size_t n) {
        for (std::size_t i = 0; i < n; ++i)
            items.emplace_back(io);
    }
    ~OfOperations() override {
        for (auto& item : items)
            static_cast<void>(all->remove(item));
    }
    void set(std::size_t i, Milliseconds delay) override { all->add(items[i], delay); }
    void cancel(std::size_t i) override { static_cast<void>(all->remove(items[i])); }
    void turn() override { io.poll(); }

    asio::io_context io;
    std::shared_ptr<tornado::detail::Deadlines> all = tornado::detail::Deadlines::of(io);
    std::deque<Item> items;
};

struct OfAsio final : Kind {
    explicit OfAsio(std::size_t n) {
        for (std::size_t i = 0; i < n; ++i)
            timers.emplace_back(io);
    }
    void set(std::size_t i, Milliseconds delay) override {
        timers[i].expires_after(delay);
        timers[i].async_wait([](boost::system::error_code ec) {
            if (!ec)
                std::abort();
        });
    }
    void cancel(std::size_t i) override { timers[i].cancel(); }
    void turn() override { io.poll(); }

    asio::io_context io{1};
    std::deque<asio::steady_timer> timers;
};

#ifdef BENCH_LIBUV
struct OfLibuv final : Kind {
    explicit OfLibuv(std::size_t n) : timers(n) {
        ::uv_loop_init(&loop);
        for (auto& timer : timers)
            ::uv_timer_init(&loop, &timer);
    }
    void set(std::size_t i, Milliseconds delay) override {
        ::uv_timer_start(
            &timers[i], [](uv_timer_t*) { std::abort(); },
            static_cast<std::uint64_t>(delay.count()), 0);
    }
    void cancel(std::size_t i) override { ::uv_timer_stop(&timers[i]); }
    void turn() override { ::uv_run(&loop, UV_RUN_NOWAIT); }

    uv_loop_t loop;
    std::vector<uv_timer_t> timers;
};
#endif

#ifdef BENCH_LIBEVENT
struct OfLibevent final : Kind {
    explicit OfLibevent(std::size_t n) : base(::event_base_new()) {
        for (std::size_t i = 0; i < n; ++i)
            timers.push_back(::event_new(
                base, -1, 0, [](evutil_socket_t, short, void*) { std::abort(); }, nullptr));
    }
    void set(std::size_t i, Milliseconds delay) override {
        timeval const time{delay.count() / 1000, delay.count() % 1000 * 1000};
        ::event_add(timers[i], &time);
    }
    void cancel(std::size_t i) override { ::event_del(timers[i]); }
    void turn() override { ::event_base_loop(base, EVLOOP_NONBLOCK); }

    event_base* base;
    std::vector<event*> timers;
};
#endif

/// Nanoseconds of processor time.
double now() {
    timespec time;
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

struct Numbers {
    std::size_t pending, operations;
};

/// Nanoseconds to set and cancel the newest, and any.
std::pair<double, double> measure(Kind& kind, Numbers const& n) {
    std::minstd_rand random(1);
    auto const delay = [&] { return Milliseconds(60'000 + random() % 60'000); };
    for (std::size_t i = 0; i < n.pending; ++i)
        kind.set(i, delay());
    kind.turn();
    std::size_t const batch = 64; // as many as a turn of a busy loop may have
    auto const time = [&](auto step) {
        auto const begin = now();
        for (std::size_t i = 0; i < n.operations; ++i) {
            step();
            if (i % batch == 0)
                kind.turn();
        }
        kind.turn();
        return (now() - begin) / static_cast<double>(n.operations);
    };
    auto const newest = time([&] {
        kind.set(n.pending, delay());
        kind.cancel(n.pending);
    });
    auto const any = time([&] {
        auto const i = random() % n.pending;
        kind.cancel(i);
        kind.set(i, delay());
    });
    return {newest, any};
}

struct Result {
    char const* name;
    std::function<std::unique_ptr<Kind>(std::size_t)> make;
    std::vector<double> newest{}, any{}, newest_to_asio{}, any_to_asio{};
};

template <class T>
Result kind(char const* name) {
    return {name, [](std::size_t n) { return std::make_unique<T>(n); }};
}

/// The median and the quartiles.
std::string summary(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    auto const at = [&](std::size_t quarter) { return values[(values.size() - 1) * quarter / 4]; };
    char text[64];
    std::snprintf(text, sizeof text, "%.2f (%.2f..%.2f)", at(2), at(1), at(3));
    return text;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

std::size_t number(int argc, char** argv, int place, std::size_t otherwise) {
    return argc > place ? std::strtoul(argv[place], nullptr, 10) : otherwise;
}

} // namespace

int main(int argc, char** argv) {
    Numbers const numbers{number(argc, argv, 1, 100'000), number(argc, argv, 2, 1'000'000)};
    auto const rounds = number(argc, argv, 3, 9);
    std::vector<Result> results{kind<OfAsio>("asio steady_timer"), kind<OnLoop>("call_later"),
                                kind<OfOperations>("deadline")};
#ifdef BENCH_LIBUV
    results.push_back(kind<OfLibuv>("libuv"));
#endif
#ifdef BENCH_LIBEVENT
    results.push_back(kind<OfLibevent>("libevent"));
#endif
    for (std::size_t round = 0; round < rounds; ++round) {
        std::pair<double, double> asio;
        for (auto& result : results) {
            auto const kind = result.make(numbers.pending + 1);
            auto const [newest, any] = measure(*kind, numbers);
            if (&result == &results.front())
                asio = {newest, any};
            result.newest.push_back(newest);
            result.any.push_back(any);
            result.newest_to_asio.push_back(newest / asio.first);
            result.any_to_asio.push_back(any / asio.second);
        }
    }
    std::printf("%zu pending, set and cancel, %zu rounds, ns of processor time, ratio to Asio\n",
                numbers.pending, rounds);
    for (auto const& result : results)
        std::printf("%-18s newest %7.0f  %-20s  any %7.0f  %s\n", result.name,
                    median(result.newest), summary(result.newest_to_asio).c_str(),
                    median(result.any), summary(result.any_to_asio).c_str());
}
