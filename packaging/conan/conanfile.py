# SPDX-License-Identifier: BSL-1.0
"""A Conan 2 recipe for the tree that it lies in: conan create packaging/conan --build missing"""

import pathlib
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, cmake_layout
from conan.tools.files import copy, load


class TornadoAsio(ConanFile):
    name = "tornado-asio"
    description = "Tornado's TCP layer in C++20 on Boost.Asio"
    license = "BSL-1.0"
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": False, "boost/*:header_only": True}
    generators = "CMakeDeps", "CMakeToolchain"

    def tree(self):
        return pathlib.Path(self.recipe_folder).parent.parent

    def set_version(self):
        text = load(self, self.tree() / "CMakeLists.txt")
        self.version = re.search(r"^ +VERSION (\S+)$", text, re.M).group(1)

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "src/*"):
            copy(self, pattern, self.tree(), self.export_sources_folder)

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        self.requires("boost/[>=1.81 <2]", transitive_headers=True)
        self.requires("openssl/[>=3 <4]", transitive_headers=True)

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("tornado-asio is for Linux")
        check_min_cppstd(self, 20)

    def build(self):
        around = ("TORNADO_ASIO_BUILD_TESTS", "TORNADO_ASIO_BUILD_EXAMPLES", "TORNADO_ASIO_BUILD_BENCH")
        cmake = CMake(self)
        cmake.configure({name: False for name in around})
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, pathlib.Path(self.package_folder, "licenses"))
        CMake(self).install()

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "tornado_asio")
        self.cpp_info.set_property("cmake_target_name", "tornado_asio::tornado_asio")
        self.cpp_info.set_property("pkg_config_name", "tornado_asio")
        self.cpp_info.libs = ["tornado_asio"]
        self.cpp_info.system_libs = ["pthread"]
        self.cpp_info.requires = ["boost::headers", "openssl::ssl", "openssl::crypto"]
        if not self.options.shared:
            self.cpp_info.defines = ["TORNADO_ASIO_STATIC"]
