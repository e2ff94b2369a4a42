// SPDX-License-Identifier: BSL-1.0
// What asio::async_initiate is given: how an operation starts, and where it completes.
#pragma once

#include <utility>

namespace tornado::detail {

/// `start(object, handler, arguments...)` begins an operation of `object`, whose executor is the
/// one that the operation completes on. Asio's composed tokens (cancel_after and its kin) ask an
/// initiation for that executor, so a bare lambda would not do.
template <class Object, class Start>
class Initiation
    : Start { // a base, so that an empty one takes no room and g++ sees no uninitialized byte
public:
    using executor_type = typename Object::executor_type;
    /// The object is used on its executor's thread alone: its operations are cancelled there too.
    static constexpr bool belongs_to_executor = true;

    Initiation(Object* object, Start start) : Start(std::move(start)), object_(object) {}

    executor_type get_executor() const noexcept { return object_->get_executor(); }

    template <class Handler, class... Args>
    void operator()(Handler&& handler, Args&&... args) const {
        static_cast<Start const&> (*this)(*object_, std::forward<Handler>(handler),
                                          std::forward<Args>(args)...);
    }

private:
    Object* object_;
};

} // namespace tornado::detail
