# S10: apply waits for the result.
tine run --fn foo --args '[1]'
tine apply --fn foo --args '[1]'
