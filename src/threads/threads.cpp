// SPDX-License-Identifier: BSL-1.0
// The threads begin one another, and each waits for the one that it began: so setups run one after
// the other, and run() returns when the last thread has ended.
#include "tornado/threads.hpp"

#include "tornado/cpu_count.hpp"

#include "ioloop/current.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <list>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

namespace tornado {

namespace detail {

/// Can be emptied on its loop's thread and still be posted to by the others until all have ended.
class GroupContext : public asio::io_context {
public:
    GroupContext() : asio::io_context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO) {}
    using asio::execution_context::shutdown;
};

/// One wait_for_shutdown. Its handler is in the timer's operation, so that it goes when the context
/// does.
struct GroupWait {
    explicit GroupWait(IOLoop& loop)
        : never(loop.context(), asio::steady_timer::time_point::max()) {}
    void end(error_code ec) {
        if (never.cancel() != 0)
            result = ec;
    }

    asio::steady_timer never;
    error_code result;
};

/// One thread's loop. All but `loop` itself and `is_set_up` belongs to that thread.
struct GroupMember {
    /// Drops what is pending, on the member's thread; the loop takes nothing any more.
    void end() {
        loop.close();
        context.shutdown();
    }
    void tell_of_shutdown() {
        told = true;
        if (waits.empty() && !has_coroutine)
            loop.stop();
        for (auto const& wait : waits)
            wait->end({});
    }

    GroupContext context;
    IOLoop loop{context, false};
    bool is_set_up = false; // may be stopped; guarded by the group's mutex
    bool has_coroutine = false;
    bool told = false;
    std::list<std::shared_ptr<GroupWait>> waits;
};

} // namespace detail

struct LoopGroup::Impl {
    using Member = detail::GroupMember;

    void run(unsigned threads, SetUp setup);
    void stop(std::exception_ptr failure);
    void shutdown();
    Member* find(IOLoop const& loop);

private:
    void run_from(unsigned number) noexcept;
    Member& add_member();
    std::shared_ptr<void> set_up(Member& member);
    bool release(Member& member);
    std::thread start_thread(unsigned number);
    static void tell(Member& member) {
        member.loop.add_callback([&member] { member.tell_of_shutdown(); });
    }

    unsigned threads_ = 0;
    std::mutex mutex_;           // guards what follows
    SetUp setup_;                // while run() runs
    std::list<Member> members_;  // those that have ended too: others may know their loops
    std::exception_ptr failure_; // the first
    bool stopped_ = false;
    bool shut_down_ = false;
};

void LoopGroup::Impl::run(unsigned threads, SetUp setup) {
    {
        std::lock_guard const lock(mutex_);
        if (setup_)
            throw std::logic_error("LoopGroup::run: the group is already running");
        setup_ = std::move(setup);
    }
    threads_ = threads != 0 ? threads : cpu_count();
    run_from(0);

    std::list<Member> members;
    std::exception_ptr failure;
    {
        std::lock_guard const lock(mutex_);
        setup = std::move(setup_);
        members.swap(members_);
        failure.swap(failure_);
        stopped_ = shut_down_ = false;
    }
    members.clear();
    if (failure)
        std::rethrow_exception(failure);
}

void LoopGroup::Impl::run_from(unsigned number) noexcept {
    std::thread next;
    try {
        auto& member = add_member();
        detail::CurrentWhileRunning const current(member.loop);
        try {
            auto const kept = set_up(member);
            if (release(member) && number + 1 < threads_)
                next = start_thread(number + 1);
            member.loop.start();
        } catch (...) {
            stop(std::current_exception());
        }
        member.end();
    } catch (...) {
        stop(std::current_exception());
    }
    if (next.joinable())
        next.join();
}

LoopGroup::Impl::Member& LoopGroup::Impl::add_member() {
    std::list<Member> made(1);
    std::lock_guard const lock(mutex_);
    members_.splice(members_.end(), made);
    return members_.back();
}

/// Gives back what is to be kept.
std::shared_ptr<void> LoopGroup::Impl::set_up(Member& member) {
    auto rest = setup_(member.loop);
    if (rest.coroutine.valid()) {
        member.has_coroutine = true;
        asio::co_spawn(member.context, std::move(rest.coroutine),
                       [this, &member](std::exception_ptr failure) {
                           failure ? stop(std::move(failure)) : member.loop.stop();
                       });
    }
    return std::move(rest.kept);
}

/// From now on the loop can be stopped, and is if that was asked for. Whether the next one is to be
/// set up.
bool LoopGroup::Impl::release(Member& member) {
    std::lock_guard const lock(mutex_);
    member.is_set_up = true;
    if (stopped_)
        member.loop.stop();
    if (shut_down_)
        tell(member);
    return !stopped_ && !shut_down_;
}

std::thread LoopGroup::Impl::start_thread(unsigned number) {
    try {
        return std::thread([this, number] { run_from(number); });
    } catch (std::system_error const& e) {
        throw system_error(e.code(), "LoopGroup::run: cannot start thread " +
                                         std::to_string(number + 1) + " of " +
                                         std::to_string(threads_) +
                                         ", ask for fewer or raise the limit (ulimit -u)");
    }
}

void LoopGroup::Impl::stop(std::exception_ptr failure) {
    std::lock_guard const lock(mutex_);
    if (!failure_)
        failure_ = std::move(failure);
    stopped_ = true;
    for (auto& member : members_)
        if (member.is_set_up)
            member.loop.stop();
}

void LoopGroup::Impl::shutdown() {
    std::lock_guard const lock(mutex_);
    if (std::exchange(shut_down_, true))
        return;
    for (auto& member : members_)
        if (member.is_set_up)
            tell(member);
}

LoopGroup::Impl::Member* LoopGroup::Impl::find(IOLoop const& loop) {
    std::lock_guard const lock(mutex_);
    auto const found = std::ranges::find(members_, &loop, [](Member& m) { return &m.loop; });
    return found == members_.end() ? nullptr : &*found;
}

// ---- LoopGroup

LoopGroup::LoopGroup() : impl_(std::make_unique<Impl>()) {}

LoopGroup::~LoopGroup() = default;

void LoopGroup::run_each(unsigned threads, SetUp setup) {
    auto const* const outer = IOLoop::current_if_any();
    if (outer && outer->get_executor().running_in_this_thread())
        throw std::logic_error("LoopGroup::run: a loop runs on this thread and would stand still: "
                               "call it before that is started, or on a thread of its own");
    impl_->run(threads, std::move(setup));
}

void LoopGroup::stop(std::exception_ptr failure) {
    impl_->stop(std::move(failure));
}

void LoopGroup::shutdown() {
    impl_->shutdown();
}

void LoopGroup::check_member(IOLoop const& loop) const {
    if (!impl_->find(loop))
        throw std::invalid_argument("LoopGroup::wait_for_shutdown: the loop is not of this group");
}

void LoopGroup::start_wait(IOLoop& loop, detail::Completion<>&& handler) {
    auto& member = *impl_->find(loop);
    if (member.told)
        return handler.post(loop.get_executor(), {});
    auto const wait = std::make_shared<detail::GroupWait>(loop);
    if (auto slot = handler.slot(); slot.is_connected())
        slot.assign([weak = std::weak_ptr(wait)](asio::cancellation_type) {
            if (auto const alive = weak.lock())
                alive->end(asio::error::operation_aborted);
        });
    wait->never.async_wait([&member, wait, handler = std::move(handler)](error_code) mutable {
        member.waits.remove(wait);
        handler(wait->result);
    });
    member.waits.push_back(wait);
}

} // namespace tornado
