# The places where backups lie, and pgBackRest, which puts them there. Place 1 is on this machine, place 2 elsewhere.
package Repository;
use v5.36;
use Exporter 'import';
use Process qw(attempt);
use Say qw(json progress);
use Time::Local qw(timegm_modern);
our @EXPORT_OK = qw(STANZA stack dumps places place_name place_number pgbackrest ask backups find_backup explained when epoch is_locked);

use constant STANZA => 'monopco';
use constant SETTINGS => '/etc/pgbackrest/monopco.json';
use constant LOCKED => 50;
# How long a place may take to say what it has.
use constant { INFO_SECONDS => 15, TIMED_OUT => 124 };

my %NAMES = (1 => 'local', 2 => 'remote');
# What pgBackRest means, by its own words.
my @MEANINGS = (
    [qr/not later than latest backup label/,
        'its newest backup is of a time to come: the clock was ahead then, or it is behind now. Changes go on being archived; '
            . '"The clock was wrong" in docs/operations.md says how backups go on'],
    [qr/was not archived before/, 'the log of changes does not reach it; ./monopco logs database says why'],
    [qr/No space left|\[28\]|disk quota/i, 'the disk of that place is full'],
    [qr/do not match the database|ArchiveMismatchError|DbMismatchError|BackupMismatchError/i,
        'it holds the backups of another database than this one'],
    [qr/InvalidAccessKeyId|SignatureDoesNotMatch|Access ?Denied|\b403\b/i, 'it refuses these access keys'],
    [qr/NoSuchBucket|bucket does not exist|\b404\b/i, 'there is no such bucket'],
    [qr/certificate|TLS error/i, 'its certificate is not trusted; backups.remote.caFile names the authority'],
    [qr/host key|fingerprint|known.hosts/i, 'its host key is not the one in backups.remote.hostKey'],
    [qr/authenticat|public key|libssh2/i, 'it does not let this user in with this key'],
    [qr/unable to connect|HostConnectError|timed? ?out|timeout|unable to get address|ended after/i, 'it does not answer'],
    [qr/CryptoError|FormatError|cipher|unable to flush|wrong password|ciphertext verification/i,
        'what lies there cannot be read with this key: it was made with another one, or it is damaged'],
    [qr/checksum|zst|corrupt|invalid data|contains errors|does not match/i, 'something there is damaged'],
);
my $settings;

sub settings () {
    return $settings //= do {
        open my $file, '<', SETTINGS or die "backups are not configured: there is no ${\SETTINGS}\n";
        local $/;
        json->decode(<$file>);
    };
}

sub stack () { return settings->{stack} }

# Whether the database is somebody else's, so that its backups are dumps.
sub dumps () { return exists settings->{dumps} }

# Numbers of the places.
sub places () { return settings->{remote} ? (1, 2) : (1) }

sub place_name ($number) { return $NAMES{$number} }

sub place_number ($name) {
    my ($number) = grep { $NAMES{$_} eq $name } places();
    return $number // die "there is no place $name: " . ($name eq 'remote' ? 'backups.remote is not set' : 'known are local and remote') . "\n";
}

# Runs a command of pgBackRest. `told` gets each line. Returns exit status and lines.
sub pgbackrest ($command, $options, $told = undef) {
    return attempt(['pgbackrest', '--stanza=' . STANZA, '--log-level-console=detail', '--log-timestamp=n', '--log-level-stderr=off', @$options, $command],
        $told);
}

# The same, without progress; dies with an explanation.
sub ask ($number, $command, @options) {
    my ($status, @lines) = pgbackrest($command, \@options);
    die explained($number, @lines) if $status;
    return @lines;
}

sub is_locked ($status) { return $status == LOCKED }

# What went wrong, for people: the meaning, then the program's own errors.
sub explained ($number, @lines) {
    my @errors = grep { /\A(?:P\d\d )?\s*(?:ERROR|ASSERT)|\A\s{6,}\S/ } @lines;
    @errors = @lines if !@errors;
    splice @errors, 8 if @errors > 8;
    my $text = join "\n", @errors;
    my ($meaning) = map { $_->[1] } grep { $text =~ $_->[0] } @MEANINGS;
    my $where = $number ? 'the ' . place_name($number) . ' place' : 'backups';
    return join("\n", "$where: " . ($meaning // (dumps ? 'restic' : 'pgBackRest') . ' failed'), map({ '  ' . s/\A\s+|\s+\z//gr =~ s/[^\x20-\x7e]/?/gr } @errors)) . "\n";
}

# Every backup, newest first, each with its place. What a place cannot tell is in the second answer, by place; in the
# third is the system identifier of the database that a place takes backups of now.
sub backups () {
    if (dumps) {
        require Dumps;
        return Dumps::backups();
    }
    my (@found, %wrong, %of);
    for my $number (places()) {
        my ($status, @lines) = attempt(['timeout', INFO_SECONDS, 'pgbackrest', '--stanza=' . STANZA, '--log-level-console=off', '--log-level-stderr=error', "--repo=$number", '--output=json', 'info']);
        @lines = 'ended after ' . INFO_SECONDS . ' s without an answer' if $status == TIMED_OUT;
        # An error that it quotes may hold anything.
        my ($text) = map { s/[^\x20-\x7e]/?/gr } grep { /\A\[/ } @lines;
        if ($status || !$text) {
            $wrong{ place_name($number) } = explained($number, @lines);
            next;
        }
        my ($stanza) = @{ json->decode($text) };
        my ($about) = grep { $_->{key} == $number } @{ $stanza->{repo} };
        if ($about->{status}{code} > 2) {
            $wrong{ place_name($number) } = explained($number, 'ERROR: ' . $about->{status}{message});
            next;
        }
        push @found, map { _backup($number, $_) } @{ $stanza->{backup} };
        my ($newest) = sort { $b->{id} <=> $a->{id} } grep { ($_->{'repo-key'} // $number) == $number } @{ $stanza->{db} };
        $of{ place_name($number) } = $newest->{'system-id'} if $newest;
    }
    @found = sort { $b->{stopped} <=> $a->{stopped} || $a->{place} cmp $b->{place} } @found;
    return (\@found, \%wrong, \%of);
}

sub _backup ($number, $backup) {
    my $info = $backup->{info};
    return {
        id => $backup->{label},
        place => place_name($number),
        kind => { full => 'full', diff => 'differential', incr => 'incremental' }->{ $backup->{type} },
        started => $backup->{timestamp}{start},
        stopped => $backup->{timestamp}{stop},
        at => when($backup->{timestamp}{stop}),
        seconds => $backup->{timestamp}{stop} - $backup->{timestamp}{start},
        database_bytes => $info->{size},
        stored_bytes => $info->{repository}{delta} // $info->{repository}{size},
        stack => $backup->{annotation}{stack},
        faulty => $backup->{error} ? 1 : 0,
    };
}

# The backup of that id, in the named place or the nearest one that has it.
sub find_backup ($id, $place = '') {
    my ($found, $wrong) = backups();
    my @same = sort { $a->{place} cmp $b->{place} } grep { $_->{id} eq $id && ($place eq '' || $_->{place} eq $place) } @$found;
    return $same[0] // die join("\n", "there is no backup $id" . ($place ? " in the $place place" : '') . '; ./monopco backups lists them', values %$wrong) . "\n";
}

# Seconds of a moment as `when` writes it; 0 when it is none.
sub epoch ($text) {
    my @parts = $text =~ /\A(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)Z/ or return 0;
    return timegm_modern(@parts[ 5, 4, 3, 2 ], $parts[1] - 1, $parts[0]);
}

sub when ($epoch) {
    my @parts = gmtime $epoch;
    return sprintf '%04d-%02d-%02dT%02d:%02d:%02dZ', $parts[5] + 1900, $parts[4] + 1, @parts[ 3, 2, 1, 0 ];
}

1;
