# SPDX-License-Identifier: BSL-1.0
# The target doc, where Doxygen is installed: the reference and the guides as pages, in doc/html of the build. A warning
# is an error, and so is a public name without a comment.
find_package(Doxygen 1.9.4 QUIET)
if(NOT DOXYGEN_FOUND)
    return()
endif()

set(reference_sources README.md CHANGELOG.md CONTRIBUTING.md include doc example bench)
set(DOXYGEN_PROJECT_NAME tornado-asio)
set(DOXYGEN_USE_MDFILE_AS_MAINPAGE ${PROJECT_SOURCE_DIR}/README.md)
set(DOXYGEN_IMAGE_PATH ${PROJECT_SOURCE_DIR}/doc)
set(DOXYGEN_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/doc)
set(DOXYGEN_HTML_EXTRA_STYLESHEET ${PROJECT_SOURCE_DIR}/doc/reference.css)
set(DOXYGEN_STRIP_FROM_PATH ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR})
set(DOXYGEN_STRIP_FROM_INC_PATH ${PROJECT_SOURCE_DIR}/include)
set(DOXYGEN_WARN_AS_ERROR FAIL_ON_WARNINGS)
set(DOXYGEN_QUIET YES)

# The first sentence is a comment's short form, and a page keeps the order of its header.
set(DOXYGEN_JAVADOC_AUTOBRIEF YES)
set(DOXYGEN_SORT_MEMBER_DOCS NO)
set(DOXYGEN_BUILTIN_STL_SUPPORT YES)
set(DOXYGEN_HAVE_DOT NO)

# The names that are for users, without the macro that exports them.
set(DOXYGEN_FILE_PATTERNS *.hpp *.md)
set(DOXYGEN_EXCLUDE_PATTERNS */detail/* */bench/*.hpp */example/*.hpp)
set(DOXYGEN_EXCLUDE_SYMBOLS tornado::detail "boost::*")
set(DOXYGEN_PREDEFINED TORNADO_ASIO_EXPORT=)
set(DOXYGEN_MACRO_EXPANSION YES)
set(DOXYGEN_EXPAND_ONLY_PREDEF YES)
set(DOXYGEN_SEARCH_INCLUDES NO)

list(TRANSFORM reference_sources PREPEND ${PROJECT_SOURCE_DIR}/)
doxygen_add_docs(doc ${reference_sources} COMMENT "The reference, in ${PROJECT_BINARY_DIR}/doc/html")
