// SPDX-License-Identifier: BSL-1.0
// run_in_executor: a function on a pool's thread, its completion on the loop's.
#include "ioloop/impl.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <thread>

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

unsigned default_pool_size() {
    return std::min(32U, std::thread::hardware_concurrency() + 4);
}

} // namespace

void IOLoop::set_default_executor(asio::thread_pool& pool) {
    impl_->executor = &pool;
}

detail::Function<void()> IOLoop::submit(asio::thread_pool* pool, detail::Function<void()> work,
                                        detail::Function<void(bool)> done) {
    if (impl_->closed)
        return [] {};
    if (!pool)
        pool = impl_->executor;
    if (!pool) {
        if (!impl_->own_executor)
            impl_->own_executor = std::make_unique<asio::thread_pool>(default_pool_size());
        pool = impl_->own_executor.get();
    }

    auto const id = ++impl_->last_executor_call;
    auto const finish = [weak = std::weak_ptr(impl_), id](bool cancelled) {
        if (auto const impl = weak.lock())
            impl->post(detail::once(
                [loop = impl.get(), id, cancelled] { loop->finish_executor_call(id, cancelled); }));
    };
    impl_->executor_calls.emplace(id, std::move(done));
    asio::post(*pool, PoolTask(std::move(work), [finish] { finish(false); }));
    return [finish] { finish(true); };
}

void IOLoop::Impl::finish_executor_call(std::uint64_t id, bool cancelled) {
    if (auto call = executor_calls.extract(id))
        call.mapped()(cancelled);
}

// In a child the threads do not exist, and what they were doing is done in the parent alone.
void IOLoop::Impl::abandon_executor_calls() {
    static_cast<void>(own_executor.release()); // its end would wait for the threads
    for (auto const& [id, call] : executor_calls)
        post(detail::once([this, id = id] { finish_executor_call(id, true); }));
}

} // namespace tornado
