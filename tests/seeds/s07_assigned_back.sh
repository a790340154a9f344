# S07: what a job sets in shared data is seen by who started it, at once.
tine array create temp i 11 22 33 44
tine run --shell 'tine array set temp 0 100; tine dict set dic k 101'
echo "$(tine array get temp 0) $(tine dict get dic k)"
