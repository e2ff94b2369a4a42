// SPDX-License-Identifier: BSL-1.0
// Tethers: who is told of the end of a context, when, and what is left afterwards.
#include "tether.hpp"

#include <boost/asio/defer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <chrono>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace tornado;
using detail::ended_executor;
using detail::has_ended;
using detail::Tethered;
using detail::TetheredExecutor;
using Timer = Tethered<asio::steady_timer>;

/// Calls a function of the test's when it is told.
class Told final : detail::Tether {
public:
    explicit Told(asio::any_io_executor const& executor, std::function<void()> told = {})
        : told_(std::move(told)), alive_(tie(executor)) {}

    bool alive() const { return alive_; }
    int times() const { return times_; }
    using Tether::untie;

private:
    void context_ended() noexcept override {
        ++times_;
        if (told_)
            told_();
    }

    std::function<void()> told_;
    bool alive_;
    int times_ = 0;
};

std::unique_ptr<asio::io_context> make_context() {
    return std::make_unique<asio::io_context>();
}

} // namespace

BOOST_AUTO_TEST_SUITE(tether)

BOOST_AUTO_TEST_CASE(who_was_tied_first_is_told_first) {
    auto context = make_context();
    std::string order;
    Told const first(context->get_executor(), [&] { order += "1"; });
    Told const second(context->get_executor(), [&] { order += "2"; });
    Told const third(context->get_executor(), [&] { order += "3"; });
    context.reset();
    BOOST_TEST(order == "123");
}

BOOST_AUTO_TEST_CASE(who_is_tied_is_told_once_when_the_context_ends) {
    auto context = make_context();
    Told const first(context->get_executor());
    Told const second(context->get_executor());
    Told untied(context->get_executor());
    untied.untie();
    untied.untie();
    {
        Told const gone(context->get_executor(), [] { BOOST_ERROR("told after its end"); });
    }
    BOOST_TEST(first.alive());
    BOOST_TEST(first.times() == 0);
    context.reset();
    BOOST_TEST(first.times() == 1);
    BOOST_TEST(second.times() == 1);
    BOOST_TEST(untied.times() == 0);
}

BOOST_AUTO_TEST_CASE(who_is_told_may_destroy_itself_and_others_and_make_new_ones) {
    auto context = make_context();
    auto const executor = context->get_executor();
    std::unique_ptr<Told> self;
    std::unique_ptr<Told> other;
    bool late = true;
    self = std::make_unique<Told>(executor, [&] {
        late = Told(executor).alive();
        other.reset();
        self.reset();
    });
    other = std::make_unique<Told>(executor, [] { BOOST_ERROR("told after its end"); });
    context.reset();
    BOOST_TEST(!self);
    BOOST_TEST(!late);
}

BOOST_AUTO_TEST_CASE(each_context_tells_its_own) {
    auto near = make_context();
    auto far = make_context();
    Told const of_near(near->get_executor());
    Told const of_far(far->get_executor());
    near.reset();
    BOOST_TEST(of_near.times() == 1);
    BOOST_TEST(of_far.times() == 0);
}

// A pool's and a strand's executors lead to a context as well.
BOOST_AUTO_TEST_CASE(any_executor_has_a_context_to_be_tied_to) {
    auto pool = std::make_unique<asio::thread_pool>(1);
    Told const on_pool(pool->get_executor());
    pool.reset();
    BOOST_TEST(on_pool.times() == 1);

    auto context = make_context();
    Told const on_strand(asio::make_strand(*context));
    context.reset();
    BOOST_TEST(on_strand.times() == 1);
}

BOOST_AUTO_TEST_CASE(an_object_of_asio_is_gone_when_its_context_is) {
    auto context = make_context();
    Timer timer(context->get_executor());
    Tethered<asio::ip::tcp::socket> socket(context->get_executor(), asio::ip::tcp::v4());
    int const descriptor = socket->native_handle();
    auto const argument = std::make_shared<int>();
    timer->expires_after(std::chrono::hours(1));
    timer->async_wait([argument](error_code) { BOOST_ERROR("the context does not run"); });
    BOOST_TEST((timer && socket));
    context.reset();
    BOOST_TEST(!timer);
    BOOST_TEST(!socket);
    BOOST_TEST(::fcntl(descriptor, F_GETFD) == -1);
    BOOST_TEST(argument.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(nothing_is_made_on_a_context_that_has_ended) {
    TetheredExecutor executor(ended_executor());
    BOOST_TEST(executor.ended());
    BOOST_TEST(has_ended(asio::query(ended_executor(), asio::execution::context)));
    auto const context = make_context();
    BOOST_TEST(!has_ended(*context));
    Timer const timer(executor.get());
    BOOST_TEST(!timer);
}

BOOST_AUTO_TEST_CASE(an_executor_is_replaced_by_one_that_drops_what_it_is_given) {
    auto context = make_context();
    TetheredExecutor executor(asio::make_strand(*context)); // whose destructor needs its context
    BOOST_TEST(!executor.ended());
    context.reset();
    BOOST_TEST(executor.ended());
    BOOST_TEST((executor.get() == ended_executor()));

    auto const argument = std::make_shared<int>();
    auto const run = [argument] { BOOST_ERROR("an ended executor has run something"); };
    asio::post(executor.get(), run);
    asio::defer(executor.get(), run);
    asio::dispatch(executor.get(), run);
    BOOST_TEST(argument.use_count() == 2);
    auto const work = asio::make_work_guard(executor.get());
    BOOST_TEST((work.get_executor() == ended_executor()));
}

BOOST_AUTO_TEST_CASE(objects_of_several_threads_share_a_context) {
    auto context = make_context();
    auto const executor = context->get_executor();
    std::array<std::thread, 4> threads;
    std::vector<std::unique_ptr<Told>> kept(threads.size());
    for (std::size_t i = 0; i < threads.size(); ++i)
        threads[i] = std::thread([&, i] {
            for (int n = 0; n < 1000; ++n)
                kept[i] = std::make_unique<Told>(executor);
        });
    for (auto& thread : threads)
        thread.join();
    context.reset();
    for (auto const& told : kept)
        BOOST_TEST(told->times() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
