// SPDX-License-Identifier: BSL-1.0
// Certificates for tests, made when they are first asked for: no files in the tree, none to renew.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace tornado::test {

/// A certificate and its key, as PEM files.
struct Identity {
    std::string certfile;
    std::string keyfile;
};

/// EC P-256, valid for a day where nothing else is said.
struct Certificates {
    std::filesystem::path folder; ///< removed at exit; a test may put files of its own here

    std::string ca;         ///< the authority that signed what is below, unless it says otherwise
    std::string foreign_ca; ///< another authority

    Identity localhost;   ///< localhost, 127.0.0.1 and ::1
    Identity other;       ///< other.test, with another kind of key: Ed25519
    Identity wildcard;    ///< *.example.org
    Identity partial;     ///< w*.example.org
    Identity expired;     ///< localhost, until yesterday
    Identity self_signed; ///< localhost, signed by itself
    Identity foreign;     ///< localhost, signed by foreign_ca
    Identity client;      ///< for a client, named "client"
    Identity nameless;    ///< localhost by its common name alone

    std::map<std::string, Identity> kinds; ///< localhost, also as a client, by the kind of its key

    std::string intermediate; ///< an authority that `ca` has signed
    Identity below;           ///< localhost, signed by it; its certificate comes second in the file

    std::string combined;      ///< certificate and key of `localhost` in one file
    std::string encrypted_key; ///< the key of `localhost`, encrypted
    std::string password;      ///< opens it
};

/// Made once in a process, in a few milliseconds. Processes forked later have the same ones.
Certificates const& certificates();

} // namespace tornado::test
