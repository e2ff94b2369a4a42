// SPDX-License-Identifier: BSL-1.0
// Any order of appends, advances and truncations leaves what a string would hold.
#include "bytes/write_queue.hpp"

#include "fuzz/input.hpp"

#include <vector>

using namespace tornado::test;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    Input input(data, size);
    tornado::detail::WriteQueue queue;
    std::string model;
    for (unsigned step = 0; !input.empty() && step < 200; ++step) {
        switch (input.byte() % 8) {
        case 0:
        case 1:
        case 2: {
            auto const bytes = filler(input.number(70'000), step);
            queue.append(std::string_view(bytes));
            model += bytes;
            break;
        }
        case 3:
        case 4: {
            auto bytes = filler(input.number(70'000), step);
            model += bytes;
            queue.append(std::move(bytes));
            break;
        }
        case 5:
        case 6: {
            auto const n = input.byte() % 4 ? input.number(model.size()) : model.size();
            queue.consume(n);
            model.erase(0, n);
            break;
        }
        default: {
            auto const n = input.byte() % 2 ? input.number(model.size() + 1)
                                            : model.size() - input.number(model.size());
            queue.truncate(n);
            model.resize(std::min(n, model.size()));
        }
        }
        std::vector<std::string_view> spans(1 + input.byte() * 4u);
        spans.resize(queue.gather(std::span<std::string_view>(spans)));
        std::string_view rest = model;
        for (auto const span : spans) {
            require(!span.empty() && rest.substr(0, span.size()) == span);
            rest.remove_prefix(span.size());
        }
        require(spans.empty() == model.empty());
        require(queue.size() == model.size() && queue.empty() == model.empty());
    }
    return 0;
}
