// SPDX-License-Identifier: BSL-1.0
// Any order of receives, takings and settlings leaves what a string would hold.
#include "bytes/read_buffer.hpp"

#include "fuzz/input.hpp"

using namespace tornado::test;
using tornado::detail::block_size;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    constexpr std::size_t most = 300'000;
    Input input(data, size);
    tornado::detail::ReadBuffer buffer;
    std::string model;
    for (unsigned step = 0; !input.empty() && step < 200; ++step) {
        switch (input.byte() % 8) {
        case 0:
        case 1:
        case 2: {
            auto const limit = 1 + input.number(most);
            auto const room = buffer.prepare(limit);
            auto const total = room[0].size() + room[1].size();
            require(total <= limit && total >= std::min(limit, block_size / 2));
            auto const n = input.byte() % 2 ? total : input.number(total);
            if (model.size() + n > most)
                return 0;
            auto const bytes = filler(n, step);
            auto const head = std::min(n, room[0].size());
            std::copy_n(bytes.data(), head, room[0].data());
            std::copy_n(bytes.data() + head, n - head, room[1].data());
            buffer.commit(n);
            model += bytes;
            break;
        }
        case 3: {
            auto const n = input.byte() % 4 ? input.number(model.size()) : model.size();
            auto taken = buffer.take(n);
            require(taken == model.substr(0, n));
            model.erase(0, n);
            tornado::detail::give_string(std::move(taken));
            break;
        }
        case 4: {
            std::string to(input.number(most), '\0');
            auto const n = buffer.take_into(to.data(), to.size());
            require(n == std::min(to.size(), model.size()));
            require(to.substr(0, n) == model.substr(0, n));
            model.erase(0, n);
            break;
        }
        case 5: {
            auto const bytes = filler(input.number(70'000), step);
            buffer.put_back(bytes);
            model.insert(0, bytes);
            break;
        }
        case 6:
            buffer.prepare(1 + input.number(most));
            break;
        default:
            buffer.settle();
        }
        require(buffer.size() == model.size() && buffer.empty() == model.empty());
        require(buffer.view() == model);
    }
    return 0;
}
