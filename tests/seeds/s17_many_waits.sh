# S17: 1,000 waits of 50 ms, 50 s one after the other.
yes 0.05 | head -n 1000 | timeout 20 tine map --pool io --fn sleep | sort | uniq -c | awk '{ print $1, $2 }'
