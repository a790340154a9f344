# S15: gevent's spawn, joinall and sleep(0), in a module's function.
echo '[]' | tine map --pool io --star --fn spawn_join_all | tr -d '[]"' | tr ',' '\n'
