# The suites in Python, each a test of ctest. The interpreter is the one of scripts/venv, which is made where it is
# missing. Any number of them may run at once: every process takes loopback addresses that no other one has.
set(CERTBINDER_PYTHON_TIMEOUT 300)

# certbinder_pytest(LABEL NAME PATH): the tests below PATH.
function(certbinder_pytest label name path)
  add_test(NAME "${label}/${name}"
           COMMAND sh -c [[exec "$("$0")" -B -m pytest -q -p no:cacheprovider "$@"]] ${PROJECT_SOURCE_DIR}/scripts/venv
                   ${CMAKE_CURRENT_SOURCE_DIR}/${path}
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties("${label}/${name}" PROPERTIES
    LABELS ${label}
    TIMEOUT ${CERTBINDER_PYTHON_TIMEOUT}
    ENVIRONMENT "PYTHONPATH=${CMAKE_CURRENT_SOURCE_DIR};CERTBINDER_BINARY=$<TARGET_FILE:certbinder>")
endfunction()

certbinder_pytest(support hosts support)
foreach(part common huawei aliyun)
  certbinder_pytest(emulators ${part} emulators/${part})
endforeach()
foreach(part huawei aliyun)
  certbinder_pytest(sdk_proof ${part} sdk_proof/${part})
endforeach()

file(GLOB suites CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/e2e ${CMAKE_CURRENT_SOURCE_DIR}/e2e/test_*.py)
foreach(suite IN LISTS suites)
  string(REGEX REPLACE "^test_(.*)[.]py$" "\\1" name ${suite})
  certbinder_pytest(e2e ${name} e2e/${suite})
endforeach()
