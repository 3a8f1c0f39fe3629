#pragma once

// The common subset of Catch2 v2 (Debian 12) and v3 (elsewhere).
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#define CERTBINDER_CONTAINS(text) Catch::Matchers::ContainsSubstring(text)
#else
#include <catch2/catch.hpp>
#define CERTBINDER_CONTAINS(text) Catch::Matchers::Contains(text)
#endif
