// SPDX-License-Identifier: BSL-1.0
// What clients say is taken or refused with a reason; what they are told is what it should be.
#include "protocol.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <variant>

using namespace scale;

namespace {

auto parse(std::string_view text) {
    return parse_client(text, {});
}

std::string why(std::string_view text) {
    auto const words = parse(text);
    auto const* const nonsense = std::get_if<Nonsense>(&words);
    return nonsense ? nonsense->why : "";
}

} // namespace

BOOST_AUTO_TEST_SUITE(protocol)

BOOST_AUTO_TEST_CASE(join_with_and_without_a_last_id) {
    auto words = parse(R"({"type":"join","room":"a_B-9","name":"Änn Ö","last":"12-3"})");
    auto const& join = std::get<Join>(words);
    BOOST_TEST(join.room == "a_B-9");
    BOOST_TEST(join.name == "Änn Ö");
    BOOST_TEST((join.last == MessageId{12, 3}));
    words = parse(R"({"type":"join","room":"r","name":"n","last":""})");
    BOOST_TEST((std::get<Join>(words).last == MessageId()));
    words = parse(R"({"name":"n","room":"r","type":"join","more":[1,{}]})");
    BOOST_TEST((std::get<Join>(words).last == MessageId()));
}

BOOST_AUTO_TEST_CASE(say) {
    auto const words = parse(R"({"type":"say","tag":"x-1","text":"two\nlines \u00e4 \"q\""})");
    BOOST_TEST(std::get<Say>(words).tag == "x-1");
    BOOST_TEST(std::get<Say>(words).text == "two\nlines ä \"q\"");
}

BOOST_AUTO_TEST_CASE(nonsense_is_refused_with_a_reason) {
    for (auto const* const text :
         {"", "{", "[]", "7", "null", "{} {}", "{\"type\":\"join\"", "hello"})
        BOOST_TEST(why(text) == "not a JSON object", text);
    BOOST_TEST(why(std::string(100, '[') + std::string(100, ']')) == "not a JSON object");
    for (auto const* const text : {"{}", R"({"type":7})", R"({"type":"leave"})"})
        BOOST_TEST(why(text) == "the type is neither join nor say", text);
}

BOOST_AUTO_TEST_CASE(each_word_has_its_limits) {
    auto const join = [](std::string const& room, std::string const& name,
                         std::string const& last) {
        return why(R"({"type":"join","room":")" + room + R"(","name":")" + name + R"(","last":")" +
                   last + "\"}");
    };
    BOOST_TEST(join("r", "n", "") == "");
    BOOST_TEST(join(std::string(40, 'r'), std::string(40, 'n'), "0-0") == "");
    for (auto const& room : {std::string(), std::string("a b"), std::string("a:b"),
                             std::string("a/b"), std::string("ä"), std::string(41, 'r')})
        BOOST_TEST(join(room, "n", "").starts_with("a room has"), room);
    for (auto const& name :
         {std::string(), std::string(" "), std::string("a\\nb"), std::string("a\\u0000"),
          std::string("a\\u007f"), std::string(41, 'n')})
        BOOST_TEST(join("r", name, "").starts_with("a name has"), name);
    BOOST_TEST(join("r", "n", "yesterday").starts_with("'last'"));

    auto const say = [](std::string const& tag, std::string const& text) {
        return why(R"({"type":"say","tag":")" + tag + R"(","text":")" + text + "\"}");
    };
    BOOST_TEST(say("t", std::string(2000, 'x')) == "");
    BOOST_TEST(say("", "x").starts_with("a tag has"));
    BOOST_TEST(say("a b", "x").starts_with("a tag has"));
    BOOST_TEST(say("t", std::string(2001, 'x')).starts_with("a text has"));
    BOOST_TEST(say("t", " \\n\\t ").starts_with("a text has"));
    BOOST_TEST(say("t", "\\u001b[2J").starts_with("a text has"));
    BOOST_TEST(why(R"({"type":"say","tag":"t","text":7})").starts_with("a text has"));
}

BOOST_AUTO_TEST_CASE(what_clients_are_told) {
    BOOST_TEST(welcome("w1", "h", "r", true) ==
               R"({"type":"welcome","worker":"w1","host":"h","room":"r","redis":true})");
    BOOST_TEST(gap() == R"({"type":"gap"})");
    BOOST_TEST(redis_is(true) == R"({"type":"redis","up":true})");
    BOOST_TEST(redis_is(false) == R"({"type":"redis","up":false})");
    BOOST_TEST(sent("t", "1-2") == R"({"type":"sent","tag":"t","id":"1-2"})");
    BOOST_TEST(failed("t", "it's \"away\"") ==
               R"({"type":"failed","tag":"t","why":"it's \"away\""})");
}

BOOST_AUTO_TEST_CASE(through_redis_and_back) {
    auto const frame = message({5, 6}, stored("ann", "a \"quote\"\nand ä"));
    BOOST_REQUIRE(frame);
    BOOST_TEST(*frame ==
               R"({"type":"message","id":"5-6","name":"ann","text":"a \"quote\"\nand ä"})");
}

BOOST_AUTO_TEST_CASE(what_in_redis_is_none_of_ours) {
    for (auto const* const text :
         {"", "x", "[]", "{}", R"({"name":"n"})", R"({"name":1,"text":"t"})",
          R"({"name":"","text":"t"})", "{\"name\":\"n\",\"text\":\"\xff\"}"})
        BOOST_TEST(!message({1, 1}, text), text);
}

BOOST_AUTO_TEST_SUITE_END()
