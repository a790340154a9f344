# S08: 20 jobs set temp[0] = 100+i and print it under a lock: blocks of four lines that nothing interleaves.
tine array create temp i 11 22 33 44
for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
  tine submit --shell "tine lock run printing -- sh -c '
    tine array set temp 0 $((100 + i))
    for item in \$(tine array get temp); do tine lock run printing -- echo $i \"----->\" \$item >>blocks; done'" >/dev/null
done
tine wait --all >/dev/null || exit
cat blocks
