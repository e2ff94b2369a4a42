// SPDX-License-Identifier: BSL-1.0
#include "tether.hpp"

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/intrusive/list.hpp>

#include <mutex>

namespace tornado::detail {

/// The service of a context that tells its tethers. A context shuts all services down before it
/// destroys the first one.
class ContextEnd final : public asio::execution_context::service, public TetheredContext {
public:
    using key_type = ContextEnd;
    static asio::execution_context::id id;

    explicit ContextEnd(asio::execution_context& context)
        : asio::execution_context::service(context) {}

    bool add(Tether& tether) {
        std::lock_guard const lock(mutex_);
        if (!ended_)
            tethers_.push_back(tether);
        return !ended_;
    }

    bool has_ended() {
        std::lock_guard const lock(mutex_);
        return ended_;
    }

    asio::any_io_executor const& executor(asio::io_context& context) {
        std::lock_guard const lock(mutex_);
        if (!executor_)
            executor_ = context.get_executor();
        return executor_;
    }

    void remove(Tether& tether) noexcept {
        std::lock_guard const lock(mutex_);
        tethers_.erase(tethers_.iterator_to(tether));
    }

    void describe(std::string& lines) {
        std::lock_guard const lock(mutex_);
        for (auto const& tether : tethers_)
            tether.describe_to(lines);
    }

    void shutdown() override {
        std::unique_lock lock(mutex_);
        ended_ = true;
        while (!tethers_.empty()) {
            auto& tether = tethers_.front();
            tethers_.pop_front();
            tether.context_ = nullptr;
            lock.unlock(); // it may untie others, and have itself destroyed
            tether.context_ended();
            lock.lock();
        }
    }

private:
    using Hook =
        boost::intrusive::member_hook<Tether, boost::intrusive::list_member_hook<>, &Tether::hook_>;

    std::mutex mutex_;
    boost::intrusive::list<Tether, Hook, boost::intrusive::constant_time_size<false>> tethers_;
    bool ended_ = false;
    asio::any_io_executor executor_; // once somebody has asked for it
};

asio::execution_context::id ContextEnd::id;

bool Tether::tie(asio::any_io_executor const& executor) {
    return tie(asio::query(executor, asio::execution::context));
}

bool Tether::tie(asio::execution_context& context) {
    auto& end = asio::use_service<ContextEnd>(context);
    if (!end.add(*this))
        return false;
    context_ = &end;
    return true;
}

void Tether::untie() noexcept {
    if (auto* const context = std::exchange(context_, nullptr))
        static_cast<ContextEnd*>(context)->remove(*this);
}

bool has_ended(asio::execution_context& context) {
    return asio::use_service<ContextEnd>(context).has_ended();
}

void describe_tethers(asio::execution_context& context, std::string& lines) {
    asio::use_service<ContextEnd>(context).describe(lines);
}

asio::any_io_executor const& shared_executor(asio::io_context& context) {
    return asio::use_service<ContextEnd>(context).executor(context);
}

std::uint64_t turns_of(asio::execution_context& context) {
    return asio::use_service<ContextEnd>(context).turns.load(std::memory_order_relaxed);
}

namespace {

/// The executor of a context that has ended. That one is never destroyed, because nobody is told
/// when the last object that asks for it has gone.
struct EndedExecutor {
    static asio::execution_context& context() {
        static auto& ended = []() -> asio::execution_context& {
            auto& made = *new asio::execution_context;
            asio::use_service<ContextEnd>(made).shutdown();
            return made;
        }();
        return ended;
    }

    template <class F>
    void execute(F&&) const noexcept {}

    bool operator==(EndedExecutor const&) const noexcept = default;

    static asio::execution_context& query(asio::execution::context_t) { return context(); }
    static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
        return asio::execution::blocking.never;
    }
    EndedExecutor require(asio::execution::blocking_t::never_t) const noexcept { return *this; }
};

} // namespace

asio::any_io_executor const& ended_executor() noexcept {
    static auto const& executor = *new asio::any_io_executor(EndedExecutor());
    return executor;
}

} // namespace tornado::detail
