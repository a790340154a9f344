# S12: close, then join; map in order and as they end; terminate.
tine pool add p --size 5
tine pool join p 2>/dev/null || echo "join before close is an error: $?"
printf '%s\n' '[0, 100]' '[1, 100]' '[2, 100]' >pairs
tine map -g p --star --fn add <pairs | tr '\n' ' '
tine map -g p --star --unordered --fn add <pairs | sort | tr '\n' ' '
echo
id=$(tine submit -g p -- sleep 0.3)
tine pool close p
tine submit -g p -- true 2>/dev/null || echo "closed: $?"
tine pool join p && echo "joined, and the job has ended: $(tine wait "$id" && echo 0)"
tine pool add q --size 2
id=$(tine submit -g q -- sleep 600)
tine pool terminate q
tine wait "$id"
echo "terminated: $?"
