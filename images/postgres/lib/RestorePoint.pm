# A dump of the database, taken before scripts are applied to it: the way back that needs nothing else.
package RestorePoint;
use v5.36;
use Exporter 'import';
use IO::Handle;
use IPC::Open3 qw(open3);
use POSIX qw(strftime);
use Stop qw(stop last_line);
our @EXPORT_OK = qw(wanted take);

# PostgreSQL's limit for a name in its log of changes; it is the file's name, too.
use constant LONGEST_NAME => 63;
use constant SHOWN_LINES => 10;

my $NAME = qr/[0-9]{8}T[0-9]{6}Z-before-[A-Za-z0-9._-]+/;
my $folder = $ENV{RESTORE_POINTS} // '';
my $kept = length($ENV{KEEP_RESTORE_POINTS} // '') ? $ENV{KEEP_RESTORE_POINTS} : 5;
my $taken = $folder eq '';

# Whether this run still has to take one.
sub wanted () {
    return 0 if $taken;
    stop(2, "KEEP_RESTORE_POINTS must be a whole number above 0 (got \"$kept\")") if $kept !~ /\A[1-9]\d{0,5}\z/a;
    return 1;
}

# Runs in the transaction of the first script, before that script: nobody who respects the lock can apply anything
# between the dump and the script, and a second run that waits for the lock finds the script applied, so it takes no
# dump of its own for it. pg_dump has a session and a snapshot of its own. It only reads, and this transaction has
# touched nothing but the record, so neither waits for the other, and the app goes on. What the app writes after the
# dump has begun is not in it.
sub take ($database, $script, $applied) {
    $taken = 1;
    my $name = _name($script);
    my $bytes = eval { $applied || _something_to_lose($database) ? _dump($database, $name) : 0 };
    _refuse($script, $@) if !defined $bytes;
    return if !$bytes;
    say "restore-point $name.dump $bytes";
    last_line("The restore point before this run is $name.dump.");
    _forget_old("$name.dump");
    return;
}

sub _refuse ($script, $why) {
    my $said = $why =~ s/\A(?:DBD::Pg::db \w+ failed: )?(.*?)(?: at \S+ line \d+\.)?\n\z/$1/sr;
    stop(6, "no restore point before $script: $said",
        'Nothing was applied. Free space or mend what is said above, and run it again; or go without restore points, '
            . 'with database.restorePoints: 0 in the stack file.');
}

# The end of a script's name tells more than the folder that it begins with.
sub _name ($script) {
    my $name = strftime('%Y%m%dT%H%M%SZ', gmtime) . '-before-';
    my $safe = $script =~ s/[^A-Za-z0-9._-]+/-/gr;
    my $room = LONGEST_NAME - length $name;
    return $name . substr($safe, length $safe > $room ? -$room : 0);
}

# The compatibility schema's table of users is there from the beginning; with nobody in it, it is nothing to lose.
sub _something_to_lose ($database) {
    my @tables = @{ $database->selectcol_arrayref(<<~'END') };
        SELECT format('%s.%s', relnamespace::regnamespace, relname) FROM pg_class
        WHERE relkind IN ('r', 'p', 'm') AND relnamespace::regnamespace::text !~ '^(pg_|information_schema$|monopco$)'
            AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
                AND deptype = 'e')
        END
    return @tables > 0 if "@tables" ne 'auth.users';
    my $readable = $database->selectrow_array(
        q{SELECT has_schema_privilege('auth', 'USAGE') AND has_table_privilege('auth.users', 'SELECT')});
    return !$readable || $database->selectrow_array('SELECT EXISTS (SELECT FROM auth.users)');
}

# Returns the file's bytes. It gets its name when it is whole and on the disk.
sub _dump ($database, $name) {
    -d $folder && -w _ or die "cannot write to $folder; mount a volume there that belongs to user $>\n";
    unlink "$folder/$_" for _files(qr/\A\.$NAME\.partial\z/);
    _need_space($database);
    my ($partial, $file) = ("$folder/.$name.partial", "$folder/$name.dump");
    my $bytes = eval {
        _run('pg_dump', '--no-password', '--format=custom', '--compress=zstd', '--lock-wait-timeout=60s',
            "--file=$partial", _left_out($database));
        my $bytes = -s $partial or die "pg_dump wrote an empty file\n";
        _run('pg_restore', '--list', $partial) =~ /^\d+;/m or die "pg_dump wrote a file that holds nothing\n";
        _sync($partial);
        rename $partial, $file or die "cannot rename $partial: $!\n";
        $bytes;
    };
    my $why = $@;
    unlink $partial;
    die $why if !$bytes;
    _sync($folder);
    _mark($database, $name);
    return $bytes;
}

sub _need_space ($database) {
    my $size = $database->selectrow_array('SELECT pg_database_size(current_database())');
    my ($free) = _run('df', '--output=avail', '--block-size=1', $folder) =~ /(\d+)\s*\z/;
    return if $free >= $size;
    die sprintf "%s has %.1f MB free, and the database takes %.1f MB\n", $folder, $free / 1e6, $size / 1e6;
}

# A table that the role neither owns nor may read belongs to somebody else, and no script of this role changes it.
# Everything else is dumped or pg_dump fails: it does not leave out rows that a policy hides.
sub _left_out ($database) {
    my $tables = $database->selectall_arrayref(<<~'END');
        SELECT format('"%s"."%s"', replace(nspname, '"', '""'), replace(relname, '"', '""')),
            format('%I.%I', nspname, relname)
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE relkind IN ('r', 'p', 'S') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
            AND NOT pg_has_role(relowner, 'USAGE') AND NOT (has_schema_privilege(pg_namespace.oid, 'USAGE')
                AND CASE relkind WHEN 'S' THEN has_sequence_privilege(pg_class.oid, 'SELECT')
                    ELSE has_table_privilege(pg_class.oid, 'SELECT') END)
        ORDER BY 1
        END
    say STDERR 'migrate: not in the restore point, because this role may not read it: ' . join ', ',
        map { $_->[1] } @$tables if @$tables;
    return map { ("--exclude-table=$_->[0]", "--exclude-table-data=$_->[0]") } @$tables;
}

# For a recovery to a point in time, which stops at this name; there is nothing to say if the role may not set it.
sub _mark ($database, $name) {
    my $possible = $database->selectrow_array(q{SELECT has_function_privilege('pg_create_restore_point(text)',
        'EXECUTE') AND current_setting('wal_level') <> 'minimal' AND NOT pg_is_in_recovery()});
    $database->do('SELECT pg_create_restore_point(?)', undef, $name) if $possible;
    return;
}

sub _forget_old ($new) {
    my @old = reverse sort grep { $_ ne $new } _files(qr/\A$NAME\.dump\z/);
    for my $file (@old[ $kept - 1 .. $#old ]) {
        unlink "$folder/$file" or say STDERR "migrate: cannot remove the old restore point $file: $!";
    }
    return;
}

sub _files ($pattern) {
    opendir my $handle, $folder or return;
    return grep { $_ =~ $pattern } readdir $handle;
}

# Returns what the program says on both of its outputs. The password is in a file, so it is in nothing that is said.
sub _run ($program, @arguments) {
    local $ENV{PGAPPNAME} = 'monopco restore point';
    my $process = open3(my $input, my $output, undef, $program, @arguments);
    close $input;
    my @lines = <$output>;
    waitpid $process, 0;
    return join '', @lines if $? == 0;
    my $how = $? & 127 ? "was ended by signal ${\($? & 127)}" : "ended with ${\($? >> 8)}";
    splice @lines, 0, -SHOWN_LINES() if @lines > SHOWN_LINES;
    die join '', "$program $how\n", map { "  $_" } @lines;
}

sub _sync ($path) {
    open my $handle, '<', $path or die "cannot open $path: $!\n";
    $handle->sync or die "cannot write $path to the disk: $!\n";
    return;
}

1;
