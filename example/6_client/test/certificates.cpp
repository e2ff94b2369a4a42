// SPDX-License-Identifier: BSL-1.0
// The certificates of the library's own tests, for those in Python: names their files, in JSON,
// and keeps them until standard input ends.
#include "support/certificates.hpp"

#include <iostream>
#include <string>
#include <utility>

int main() {
    auto const& all = tornado::test::certificates();
    std::cout << "{\"ca\": [\"" << all.ca << "\"]";
    for (auto const& [name, identity] :
         {std::pair{"localhost", all.localhost}, std::pair{"other", all.other},
          std::pair{"expired", all.expired}, std::pair{"self_signed", all.self_signed},
          std::pair{"foreign", all.foreign}})
        std::cout << ", \"" << name << "\": [\"" << identity.certfile << "\", \""
                  << identity.keyfile << "\"]";
    std::cout << '}' << std::endl;
    std::cin.get();
}
