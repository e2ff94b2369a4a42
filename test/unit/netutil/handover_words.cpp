// SPDX-License-Identifier: BSL-1.0
// The lines of a handover, and what is none.
#include "netutil/handover_words.hpp"

#include <boost/test/unit_test.hpp>

#include <stdexcept>
#include <string>
#include <vector>

using namespace tornado::detail;

BOOST_AUTO_TEST_SUITE(netutil_handover_words)

BOOST_AUTO_TEST_CASE(lines_are_read_as_they_were_written) {
    for (auto const word :
         {HandoverWord::sockets, HandoverWord::busy, HandoverWord::stranger, HandoverWord::failed,
          HandoverWord::ready, HandoverWord::taken, HandoverWord::late})
        for (char const* rest : {"", "a:b", "two words", " "}) {
            HandoverLine const line{word, rest};
            auto text = to_text(line);
            BOOST_TEST_REQUIRE(text.ends_with('\n'));
            text.pop_back();
            BOOST_TEST((parse_handover_line(text) == line), text);
        }
    BOOST_TEST(to_text({HandoverWord::ready, ""}) == "tornado-handover/1 ready \n");
    BOOST_TEST(to_text({HandoverWord::failed, "a\nb"}) == "tornado-handover/1 failed a b\n");
}

BOOST_AUTO_TEST_CASE(other_lines_are_nothing) {
    std::string const whole = "tornado-handover/1 ready ";
    for (std::size_t size = 0; size < whole.size(); ++size)
        BOOST_TEST(!parse_handover_line(whole.substr(0, size)));
    for (char const* other : {"tornado-handover/2 ready ", "tornado-handover/1 Ready ",
                              "tornado-handover/1  ready ", "GET / HTTP/1.1", "\0\0"})
        BOOST_TEST(!parse_handover_line(other), other);
}

BOOST_AUTO_TEST_CASE(names_of_sockets) {
    using Names = std::vector<std::string>;
    for (auto const& names :
         {Names{""}, Names{"http"}, Names{"", "a", ""}, Names{"a b", "\xc3\xa4"}})
        BOOST_TEST(split_names(join_names(names)) == names);
    for (char const* wrong : {"a:b", ":", "a\nb", "\x01"})
        BOOST_CHECK_THROW(join_names({"good", wrong}), std::invalid_argument);
    BOOST_CHECK_THROW(join_names(Names(1, std::string(max_handover_line, 'x'))),
                      std::invalid_argument);
    auto const most = join_names(Names(1, std::string(max_handover_line - 64, 'x')));
    BOOST_TEST(to_text({HandoverWord::sockets, most}).size() <= max_handover_line);
}

BOOST_AUTO_TEST_SUITE_END()
