// SPDX-License-Identifier: BSL-1.0
// A resolver that answers what the test says, when the test says it.
#pragma once

#include "tornado/netutil.hpp"

#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace tornado::test {

class ScriptedResolver : public Resolver {
public:
    using Resolver::Resolver;

    struct Question {
        std::string host;
        std::uint16_t port;
        int family;
        Completion completion;
    };

    /// Answers the oldest question.
    void answer(error_code ec, std::vector<Address> addresses = {}) {
        auto question = std::move(questions.front());
        questions.pop_front();
        question.completion(ec, std::move(addresses));
    }
    void answer(std::vector<Address> addresses) { answer({}, std::move(addresses)); }

    void close() override { ++closed; }

    std::deque<Question> questions; ///< not answered yet
    std::vector<Address> always;    ///< if not empty, the answer to each question
    int closed = 0;

protected:
    void look_up(std::string host, std::uint16_t port, int family, Completion completion) override {
        if (!always.empty())
            return completion({}, always);
        questions.push_back({std::move(host), port, family, std::move(completion)});
    }
};

} // namespace tornado::test
