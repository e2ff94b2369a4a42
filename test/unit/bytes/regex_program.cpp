// SPDX-License-Identifier: BSL-1.0
// Which expressions have a program, and that the others have none.
#include "bytes/regex_program.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using namespace tornado::detail;
using namespace std::literals;

using Kind = RegexProgram::Instruction::Kind;

namespace {

// One letter an instruction.
std::string code(std::string_view expression) {
    auto const program = regex_program(expression);
    if (!program)
        return "none";
    std::string text;
    for (auto const& instruction : program->code)
        text += "tslum"[static_cast<int>(instruction.kind)];
    return text;
}

// The bytes of the only set.
std::string bytes(std::string_view expression) {
    auto const program = regex_program(expression);
    BOOST_TEST_REQUIRE(program.has_value());
    BOOST_TEST_REQUIRE(program->sets.size() == 1u);
    std::string text;
    for (std::size_t byte = 0; byte != 256; ++byte)
        if (program->sets[0][byte])
            text += static_cast<char>(byte);
    return text;
}

} // namespace

BOOST_AUTO_TEST_SUITE(regex_program_of_an_expression)

BOOST_AUTO_TEST_CASE(each_form_has_its_code) {
    BOOST_TEST(code("") == "m");
    BOOST_TEST(code("abc") == "tttm");
    BOOST_TEST(code("a|b") == "ststm");
    BOOST_TEST(code("(a)(?:b)") == "ttm");
    BOOST_TEST(code("a*") == "stsm");
    BOOST_TEST(code("a+") == "tsm");
    BOOST_TEST(code("a?") == "stm");
    BOOST_TEST(code("a{3}") == "tttm");
    BOOST_TEST(code("a{2,}") == "ttsm");
    BOOST_TEST(code("a{1,3}") == "tststm");
    BOOST_TEST(code("a{0}b") == "tm");
    BOOST_TEST(code("a++") == "tsum");
    BOOST_TEST(code("^a$") == "utum");
    BOOST_TEST(code("(?=ab)(?!c)(?<=d)(?<!e)") == "lulum");
    BOOST_TEST(code("(?=a|b)") == "slslm");
    BOOST_TEST(code("(?!a|b)") == "uum");
    BOOST_TEST(code("\\b") == "sulslum");
}

BOOST_AUTO_TEST_CASE(equal_sets_and_looks_are_one) {
    auto const program = regex_program("[ab]x[a-b]x(?=[ab]x)(?![ab]x)(?<![ab]x)");
    BOOST_TEST(program->sets.size() == 2u);
    BOOST_TEST(program->looks.size() == 2u);
}

BOOST_AUTO_TEST_CASE(an_atom_takes_what_it_takes_for_Boost_Regex) {
    BOOST_TEST(bytes("a") == "a");
    BOOST_TEST(bytes("(?i)a") == "Aa");
    BOOST_TEST(bytes("\\d") == "0123456789");
    BOOST_TEST(bytes("\\.") == ".");
    BOOST_TEST(bytes("\\x41") == "A");
    BOOST_TEST(bytes("[\\]x]") == "]x");
    BOOST_TEST(bytes("[a-cx\\n]") == "\nabcx");
    BOOST_TEST(bytes("[[:digit:]x]") == "0123456789x");
    BOOST_TEST(bytes("[^\\x01-\\xff]") == "\0"s);
    BOOST_TEST(bytes(".").size() == 255u);
    BOOST_TEST(bytes("(?s).").size() == 256u);
    BOOST_TEST(bytes("(?i)(?s).").size() == 256u);
    BOOST_TEST(bytes("]") == "]");
    BOOST_TEST(bytes("}") == "}");
}

BOOST_AUTO_TEST_CASE(what_is_in_doubt_has_none) {
    for (auto const* expression : {"(a)\\1",
                                   "\\1",
                                   "(?>a)b",
                                   "(?R)",
                                   "(?1)",
                                   "(?<n>a)",
                                   "(?P<n>a)",
                                   "(?|a|b)",
                                   "(?#c)a",
                                   "(?x)a",
                                   "(?-i)a",
                                   "(?i:a)",
                                   "a(?i)b",
                                   "(?(1)a|b)",
                                   "(?=a+)b",
                                   "(?=a(?=b))",
                                   "(?<!ab|(?:c|d))",
                                   "(*COMMIT)a",
                                   "\\Ka",
                                   "\\Qa\\E",
                                   "\\R",
                                   "\\X",
                                   "\\C",
                                   "\\h",
                                   "\\Z",
                                   "\\<a",
                                   "a\\>",
                                   "\\`a",
                                   "a\\'",
                                   "\\0",
                                   "\\x{41}",
                                   "\\x4",
                                   "\\cA",
                                   "\\pL",
                                   "\\N{a}",
                                   "[]a]",
                                   "[^]a]",
                                   "[[.a.]]",
                                   "[[=a=]]",
                                   "[[:<:]]",
                                   "[a[b]",
                                   "[a",
                                   "a{",
                                   "a{x}",
                                   "a{,2}",
                                   "a{ 2 }",
                                   "{2}",
                                   "*a",
                                   "a**",
                                   "a{2}{3}",
                                   "a{2,1}",
                                   "a)",
                                   "(a",
                                   "\\",
                                   "(?:ab)*+",
                                   "a?+",
                                   "a{1,2}+",
                                   "(?:^)*",
                                   "(?:|a)*",
                                   "(?:a*?)*",
                                   "(?:a*|b)+",
                                   "(?:a?\?){2}",
                                   "a{99999999999999999999}"})
        BOOST_TEST(code(expression) == "none", expression << ": " << code(expression));
}

BOOST_AUTO_TEST_CASE(loops_may_have_an_empty_round_if_it_is_the_last_choice) {
    for (auto const* expression :
         {"(?:a*)*", "(?:a*b?)+", "(?:a|b*)*", "(?:a|)*", "(?:)*", "(?:(?:a?){3}){2}", "(?:a*)*?"})
        BOOST_TEST(code(expression) != "none", expression);
}

BOOST_AUTO_TEST_CASE(a_program_is_not_too_long) {
    BOOST_TEST(code("a{4000}") != "none");
    BOOST_TEST(code("a{4100}") == "none");
    BOOST_TEST(code("((a{1000}){1000}){1000}") == "none");
}

BOOST_AUTO_TEST_SUITE_END()
