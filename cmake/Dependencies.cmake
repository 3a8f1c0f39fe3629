# Every third-party package certbinder uses. scripts/deps installs them; a missing one is named here.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
# cpprestsdk's package asks for Boost the old way; CMake of 3.30 on wants to be told which way is meant.
if(POLICY CMP0167)
  cmake_policy(SET CMP0167 NEW)
endif()
find_package(cpprestsdk REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(simdjson REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tl-expected REQUIRED)
include(FindOrRequireLibssh2)

# yaml-cpp 0.8 renamed its target.
if(NOT TARGET yaml-cpp::yaml-cpp)
  add_library(yaml-cpp::yaml-cpp ALIAS yaml-cpp)
endif()
