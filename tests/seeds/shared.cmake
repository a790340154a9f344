# S03 to S06 and S08: shared data, as C++ programs against what the Python programs print.
foreach(seed s03_array s04_types s05_dict s06_queue s07_assigned_back s08_rlock)
  add_executable(${seed} ${CMAKE_CURRENT_LIST_DIR}/${seed}.cpp)
  target_link_libraries(${seed} PRIVATE tine_shared tine_pool tine_warnings)
  set(expected ${CMAKE_CURRENT_LIST_DIR}/${seed}.expected)
  if(seed STREQUAL "s08_rlock")
    set(expected ${CMAKE_CURRENT_LIST_DIR}/check_blocks.awk)
  endif()
  add_test(NAME seed_${seed} COMMAND ${CMAKE_CURRENT_LIST_DIR}/compare.sh $<TARGET_FILE:${seed}> ${expected})
  set_tests_properties(seed_${seed} PROPERTIES TIMEOUT 60 LABELS seeds)
endforeach()

# The same from the shell: jobs of a daemon, and the client's verbs.
foreach(seed s01_process s02_own_data s03_array s04_types s05_dict s06_queue s07_assigned_back s08_rlock
    s09_pool_of_five s10_apply s11_apply_async s12_close_and_join)
  set(expected ${CMAKE_CURRENT_LIST_DIR}/${seed}.expected)
  if(seed STREQUAL "s08_rlock")
    set(expected ${CMAKE_CURRENT_LIST_DIR}/check_blocks.awk)
  endif()
  add_test(NAME seed_${seed}_shell
    COMMAND ${CMAKE_CURRENT_LIST_DIR}/with_daemon.sh $<TARGET_FILE_DIR:tine> ${CMAKE_CURRENT_LIST_DIR}/${seed}.sh ${expected} $<TARGET_FILE:foo>)
  set_tests_properties(seed_${seed}_shell PROPERTIES TIMEOUT 120 LABELS seeds)
endforeach()
