# The seed's coroutine programs, and the test that compares what they print with the oracle.
foreach(seed s14_greenlet s15_spawn_join_all s16_blocking_calls s17_many_waits)
  add_executable(${seed} ${CMAKE_CURRENT_LIST_DIR}/${seed}.cpp)
  target_link_libraries(${seed} PRIVATE tine::coroutine tine_warnings)
  set_target_properties(${seed} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/seeds)
  list(APPEND coroutine_seeds ${seed})
endforeach()
target_link_libraries(s16_blocking_calls PRIVATE CURL::libcurl)

add_executable(tine_coroutine_seed_tests
  support/main.cpp support/eventually.cpp support/http_server.cpp support/shell.cpp seeds/s14_s17_test.cpp)
target_include_directories(tine_coroutine_seed_tests PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(tine_coroutine_seed_tests PRIVATE doctest::doctest tine_warnings)
target_compile_definitions(tine_coroutine_seed_tests PRIVATE
  SEEDS_FOLDER="${CMAKE_BINARY_DIR}/tests/seeds" SOURCE_FOLDER="${PROJECT_SOURCE_DIR}")
add_dependencies(tine_coroutine_seed_tests ${coroutine_seeds})
doctest_discover_tests(tine_coroutine_seed_tests PROPERTIES TIMEOUT 120 LABELS seeds)

# The same from the shell, in a coroutine pool.
foreach(seed s14_greenlet s15_spawn_join_all s16_blocking_calls s17_many_waits)
  add_test(NAME seed_${seed}_shell
    COMMAND ${CMAKE_CURRENT_LIST_DIR}/with_daemon.sh $<TARGET_FILE_DIR:tine> ${CMAKE_CURRENT_LIST_DIR}/${seed}.sh
      ${CMAKE_CURRENT_LIST_DIR}/${seed}.expected $<TARGET_FILE:coroutine_module>)
  set_tests_properties(seed_${seed}_shell PROPERTIES TIMEOUT 120 LABELS seeds)
endforeach()
