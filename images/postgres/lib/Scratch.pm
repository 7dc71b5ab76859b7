# A server of its own on which a backup is restored, in the volume /scratch, gone afterwards.
package Scratch;
use v5.36;
use Fcntl qw(:flock);
use File::Path qw(remove_tree);
use POSIX qw(strftime);
use Process qw(attempt run);
use Repository qw(pgbackrest explained place_name);
use Say qw(progress refuse);
use Tables qw(connected);

use constant FOLDER => '/scratch';
use constant DATA => '/scratch/data';
use constant SOCKET => '/scratch/socket';
use constant LOG => '/scratch/log';
use constant START_SECONDS => 86_400;
use constant BUSY => 3;

my ($lock, $holder);

# One restore at a time; what a killed one left is removed.
sub alone () {
    open $lock, '>>', FOLDER . '/lock' or die 'cannot write to ' . FOLDER . ": $!\n";
    flock $lock, LOCK_EX | LOCK_NB or refuse(BUSY, 'another restore or proof is under way; wait until it has ended');
    $holder = $$;
    stop();
    $SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);
    return;
}

sub free_bytes ($folder) {
    my ($free) = join("\n", run('df', '--output=avail', '--block-size=1', $folder)) =~ /(\d+)\s*\z/;
    return $free;
}

# Told before anything is written. The log of changes and what is sorted take their share.
sub need_space ($folder, $bytes, $what) {
    my ($free, $need) = (free_bytes($folder), $bytes * 1.1 + 256 * 2**20);
    return if $free >= $need;
    die sprintf "%s takes %.1f GB, and %.1f GB are free on that disk; nothing was begun\n", $what, $need / 1e9, $free / 1e9;
}

# Fetches the files of a backup, with what says where recovery stops.
sub restore ($number, $backup, @target) {
    remove_tree(DATA);
    mkdir DATA, 0700 or die 'cannot make ' . DATA . ": $!\n";
    my ($status, @lines) = pgbackrest('restore', [ "--repo=$number", '--pg1-path=' . DATA, '--archive-mode=off', '--process-max=2', ($backup ? "--set=$backup" : ()), @target ],
        sub ($line) { progress("restoring files", $1) if $line =~ /restore file .*, (\d+)(?:\.\d+)?%\)/ });
    die explained($number, @lines) if $status;
    return;
}

# An empty server, as the database's own is made.
sub fresh () {
    remove_tree(DATA);
    run('initdb', '--pgdata=' . DATA, '--username=postgres', '--encoding=UTF8', '--locale=C.UTF-8', '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8', '--auth=peer', '--no-instructions', '--no-sync');
    start();
    recovered('promoted');
    return;
}

# A moment, in seconds with their fraction, as PostgreSQL reads it.
sub moment ($epoch) { return strftime('%Y-%m-%d %H:%M:%S', gmtime $epoch) . sprintf('.%06d+00', 1e6 * ($epoch - int $epoch)) }

# Another aim for the recovery that is under way.
sub aim (%wanted) {
    my $path = DATA . '/postgresql.auto.conf';
    open my $file, '<', $path or die "cannot read $path: $!\n";
    my @kept = grep { !/\Arecovery_target/ } <$file>;
    open $file, '>', $path or die "cannot write $path: $!\n";
    print {$file} @kept, map { "$_ = '$wanted{$_}'\n" } sort keys %wanted;
    close $file or die "cannot write $path: $!\n";
    return;
}

# Starts it; `recovered` says what became of it.
sub start () {
    mkdir SOCKET, 0700;
    unlink LOG;
    progress('starting a server to look at it');
    attempt([ 'pg_ctl', 'start', '--silent', '--wait', '--timeout=' . START_SECONDS, '--pgdata=' . DATA, '--log=' . LOG,
            '--options=-c config_file=/etc/monopco/scratch.conf -c data_directory=' . DATA ]);
    return;
}

# Waits until recovery is `paused`, or over and the server `promoted`. Dies with the server's last words if it ends.
sub recovered ($wanted) {
    my $sql = $wanted eq 'paused' ? q{SELECT pg_get_wal_replay_pause_state() = 'paused'} : 'SELECT NOT pg_is_in_recovery()';
    while (-e DATA . '/postmaster.pid') {
        my $done = eval { my $server = connected(SOCKET); $server->selectrow_array($sql) };
        return if $done;
        select undef, undef, undef, 0.2;
    }
    die "recovery failed:\n" . last_words();
}

sub last_words () {
    open my $file, '<', LOG or return "the server did not start\n";
    my @said = grep { /FATAL|PANIC|ERROR|could not/ } <$file>;
    return join '', map { "  $_" } @said > 6 ? @said[ -6 .. -1 ] : @said;
}

# The server ends, its data stays.
sub halt ($mode = 'immediate') {
    return if !-e DATA . '/postmaster.pid';
    attempt([ 'pg_ctl', 'stop', '--silent', '--wait', "--mode=$mode", '--pgdata=' . DATA ]);
    return;
}

sub stop () {
    halt();
    remove_tree(DATA, SOCKET, FOLDER . '/fetched');
    return;
}

END { my $status = $?; stop() if defined $holder && $holder == $$; $? = $status }

1;
