# S02: each job holds its own data: environment, folder and umask are copies.
data=3 && export data
tine run --shell 'data=$((data + 1)); cd /; umask 0777; echo "child $data"'
echo "parent $data"
[ "$(pwd)" != / ] && [ "$(umask)" != 0777 ] || echo 'the child moved its parent'
