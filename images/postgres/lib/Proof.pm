# Whether a backup is one: it is restored, looked at, and the result recorded.
package Proof;
use v5.36;
use Exporter 'import';
use List::Util qw(sum0);
use POSIX qw(strftime);
use Dumps ();
use Live ();
use Process qw(attempt);
use Records qw(remember recall);
use Repository qw(backups dumps place_name when pgbackrest explained);
use Say qw(progress);
use Scratch ();
use Tables qw(counts missing_rows LIVE_SOCKET);
our @EXPORT_OK = qw(prove);

# How far rows may be from what was counted at the backup, and from what lies between that and now.
use constant AT_BACKUP => 0.02;
use constant AT_MOMENT => 0.2;
use constant SHOWN => 20;

# The newest backup of a place, and a random moment since then. Returns the record, which is kept.
sub prove ($number) {
    my $started = time;
    my %record = (place => place_name($number), at => when($started), problems => []);
    my $done = eval { _look($number, \%record); 1 };
    push @{ $record{problems} }, $@ =~ s/\s+\z//r if !$done;
    Scratch::stop();
    $record{seconds} = time - $started;
    $record{proved} = @{ $record{problems} } ? JSON::PP::false : JSON::PP::true;
    remember('proof', strftime('%Y%m%dT%H%M%S', gmtime $started) . "-$record{place}", \%record);
    return \%record;
}

sub _look ($number, $record) {
    my ($found, $wrong) = backups();
    my ($backup) = grep { $_->{place} eq $record->{place} } @$found;
    die $wrong->{ $record->{place} } // "the $record->{place} place holds no backup yet: ./monopco backup\n" if !$backup;
    $record->{backup} = $backup->{id};
    return Dumps::look($number, $record, $backup) if dumps;
    Scratch::need_space('/scratch', $backup->{database_bytes}, 'the backup');
    my $end = Live::flush() // die "the log of changes does not reach the repositories, so no later moment can be restored\n";
    my $live = counts(LIVE_SOCKET);
    my $then = (recall('rows', $backup->{id}) // {})->{rows} // $live;

    Scratch::restore($number, $backup->{id}, '--type=immediate', '--target-action=pause');
    Scratch::start();
    Scratch::recovered('paused');
    progress('counting rows');
    my $rows = counts(Scratch::SOCKET);
    @$record{qw(tables rows)} = (scalar keys %$rows, sum0(values %$rows));
    _problems($record, 'at the backup', missing_rows($rows, $then, $then, AT_BACKUP));

    my $moment = $backup->{stopped} + 1 + rand($end - $backup->{stopped} - 1);
    $moment = $end if $moment > $end;
    $record->{moment} = when($moment);
    Scratch::halt('fast');
    Scratch::aim(recovery_target_time => Scratch::moment($moment), recovery_target_action => 'promote');
    Scratch::start();
    Scratch::recovered('promoted');
    _problems($record, "at $record->{moment}", missing_rows(counts(Scratch::SOCKET), $then, $live, AT_MOMENT));

    progress('checking tables and indexes');
    my ($status, @said) = attempt([ 'pg_amcheck', '--host=' . Scratch::SOCKET, '--username=postgres', '--all', '--install-missing', '--heapallindexed', '--rootdescend' ]);
    _problems($record, 'pg_amcheck', @said ? @said : 'failed') if $status;

    progress('reading the whole repository');
    my ($verified, @lines) = pgbackrest('verify', ["--repo=$number"]);
    my @damaged = grep { /ERROR|invalid|missing|status: error/i && !/: 0\b/ } @lines;
    _problems($record, 'the repository', $verified || @damaged ? explained($number, @damaged ? @damaged : @lines) =~ s/\s+\z//r : ());
    return;
}

sub _problems ($record, $where, @lines) {
    my $more = @lines - SHOWN;
    @lines = (@lines[ 0 .. SHOWN - 1 ], "and $more more") if $more > 0;
    push @{ $record->{problems} }, map { "$where: $_" } @lines;
    return;
}

1;
