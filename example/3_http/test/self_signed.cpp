// SPDX-License-Identifier: BSL-1.0
// The certificate that is kept: when it is made, and who can read it.
#include "self_signed.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

using namespace demo;
namespace fs = std::filesystem;

BOOST_AUTO_TEST_SUITE(self_signed_certificate)

namespace {

struct Folder {
    Folder() {
        std::string name = fs::temp_directory_path() / "self_signed_XXXXXX";
        path = ::mkdtemp(name.data());
    }
    Folder(Folder const&) = delete;
    Folder& operator=(Folder const&) = delete;
    ~Folder() { fs::remove_all(path); }

    fs::path path;
};

std::string content(std::string const& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace

BOOST_AUTO_TEST_CASE(it_is_made_once_for_this_user_alone) {
    Folder const folder;
    auto const state = folder.path / "a/b";
    auto const path = self_signed(state);
    auto const first = content(path);
    BOOST_TEST(first.find("BEGIN CERTIFICATE") != first.npos);
    BOOST_TEST(first.find("BEGIN PRIVATE KEY") != first.npos);
    BOOST_TEST((fs::status(path).permissions() == fs::perms(0600)));
    BOOST_TEST((fs::status(state).permissions() == fs::perms(0700)));
    BOOST_TEST(self_signed(state) == path);
    BOOST_TEST(content(path) == first);
    BOOST_TEST(std::distance(fs::directory_iterator(state), {}) == 1);
}

BOOST_AUTO_TEST_CASE(it_is_renewed_before_its_end) {
    Folder const folder;
    auto const path = self_signed(folder.path, std::chrono::hours(24 * 6));
    auto const first = content(path);
    self_signed(folder.path, std::chrono::hours(24 * 8));
    auto const second = content(path);
    BOOST_TEST(second != first);
    self_signed(folder.path);
    BOOST_TEST(content(path) == second);
}

BOOST_AUTO_TEST_CASE(a_damaged_one_is_replaced) {
    Folder const folder;
    auto const path = self_signed(folder.path);
    auto const whole = content(path);
    for (auto const size : {std::size_t(0), whole.size() / 2, whole.size() - 40}) {
        std::ofstream(path) << whole.substr(0, size);
        self_signed(folder.path);
        BOOST_TEST(content(path).size() > whole.size() - 40);
    }
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_is_named) {
    Folder const folder;
    auto const file = folder.path / "file";
    std::ofstream(file) << "in the way";
    BOOST_CHECK_EXCEPTION(self_signed(file / "state"), std::system_error, [&](auto const& e) {
        return std::string(e.what()).find(file) != std::string::npos;
    });
    BOOST_CHECK_THROW(self_signed("/proc"), std::system_error);
}

BOOST_AUTO_TEST_SUITE_END()
