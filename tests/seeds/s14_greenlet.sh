# S14: two functions that switch to one another by name, in a module's function.
echo '[]' | tine map --pool io --star --fn greenlets | tr -d '[]' | tr ',' '\n'
