// SPDX-License-Identifier: BSL-1.0
// run_in_executor: a function on a pool's thread, its completion on the loop's.
#include "ioloop/impl.hpp"
#include "last_error.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <system_error>
#include <thread>
#include <vector>

namespace tornado {
namespace {

/// Reports back when it is destroyed, so that a call which the pool drops completes as well.
class PoolTask {
public:
    PoolTask(detail::Function<void()> work, detail::Function<void()> finished)
        : work_(std::move(work)), finished_(std::move(finished)) {}

    PoolTask(PoolTask&&) = default;
    PoolTask& operator=(PoolTask&&) = delete;

    ~PoolTask() {
        work_.reset();
        if (finished_)
            finished_();
    }

    void operator()() { work_(); }

private:
    detail::Function<void()> work_;
    detail::Function<void()> finished_;
};

} // namespace

/// A pool of the loop's own, with as many threads as can be made. They are not asio::thread_pool's:
/// if one of those cannot be made, its constructor waits for the others for ever.
class IOLoop::Impl::OwnExecutor {
public:
    /// Throws system_error when there is not even one thread.
    OwnExecutor() {
        auto const wanted = std::min(32U, std::thread::hardware_concurrency() + 4);
        threads_.reserve(wanted);
        try {
            while (threads_.size() < wanted)
                threads_.emplace_back([this] { pool_.attach(); });
        } catch (std::system_error const& e) {
            if (threads_.empty())
                throw system_error(detail::code_of(e),
                                   "run_in_executor: cannot make a thread: allow this "
                                   "process more threads or memory");
        }
    }
    OwnExecutor(OwnExecutor const&) = delete;
    OwnExecutor& operator=(OwnExecutor const&) = delete;
    ~OwnExecutor() {
        pool_.stop();
        for (auto& thread : threads_)
            thread.join();
    }

    asio::thread_pool& pool() noexcept { return pool_; }

private:
    asio::thread_pool pool_{0};
    std::vector<std::thread> threads_;
};

void IOLoop::set_default_executor(asio::thread_pool& pool) {
    impl_->executor = &pool;
}

detail::Function<void()> IOLoop::submit(asio::thread_pool* pool, detail::Function<void()> work,
                                        detail::Function<void(std::exception_ptr const&)> done) {
    auto const id = ++impl_->last_executor_call;
    auto const finish = [weak = std::weak_ptr(impl_), id](std::exception_ptr const& abandoned) {
        if (auto const impl = weak.lock())
            impl->post(detail::once(
                [loop = impl.get(), id, abandoned] { loop->finish_executor_call(id, abandoned); }));
    };
    impl_->executor_calls.emplace(id, std::move(done));
    if (!pool)
        pool = impl_->executor;
    if (!pool) {
        try {
            if (!impl_->own_executor)
                impl_->own_executor = std::make_shared<Impl::OwnExecutor>();
        } catch (system_error const&) {
            finish(std::current_exception());
            return [] {};
        }
        pool = &impl_->own_executor->pool();
    }
    asio::post(*pool, PoolTask(std::move(work), [finish] { finish(nullptr); }));
    return
        [finish] { finish(std::make_exception_ptr(system_error(asio::error::operation_aborted))); };
}

void IOLoop::Impl::finish_executor_call(std::uint64_t id, std::exception_ptr const& abandoned) {
    if (auto call = executor_calls.extract(id))
        call.mapped()(abandoned);
}

// In a child the threads do not exist, and what they were doing is done in the parent alone.
void IOLoop::Impl::abandon_executor_calls() {
    static auto& left = *new std::vector<std::shared_ptr<OwnExecutor>>; // their ends would wait
    left.push_back(std::move(own_executor));
    auto const aborted = std::make_exception_ptr(system_error(asio::error::operation_aborted));
    for (auto const& [id, call] : executor_calls)
        post(detail::once([this, id = id, aborted] { finish_executor_call(id, aborted); }));
}

} // namespace tornado
