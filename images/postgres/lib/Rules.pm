# SQL by which a copy is made anonymous: all of it in one transaction, or the copy is not given away.
package Rules;
use v5.36;
use Encode ();
use Scripts qw(excerpt unusable);
use Statements qw(statements);
use Say qw(progress);

# Runs the rules in a database. Dies, with the line that is wrong, when one cannot be run.
sub apply ($server, $text) {
    $text =~ s/\A\xef\xbb\xbf//;
    die "the rules are not UTF-8 text; nothing was copied\n" if !eval { Encode::decode('UTF-8', my $copy = $text, Encode::FB_CROAK); 1 };
    my @statements = statements($text);
    die "the rules hold no statement, so the copy would be as it is; nothing was copied\n" if !@statements;
    for my $statement (@statements) {
        my ($where, $why) = unusable($statement->{bare}) or next;
        _failed($statement, $statement->{line} + (substr($statement->{bare}, 0, $where) =~ tr/\n//), $why);
    }
    progress('applying the rules');
    $server->begin_work;
    for my $statement (@statements) {
        next if eval { $server->do($statement->{text}, { pg_direct => 1 }); 1 };
        my $line = $statement->{line};
        my $position = $server->pg_error_field('statement_position');
        $line += substr(Encode::decode('UTF-8', $statement->{text}), 0, $position - 1) =~ tr/\n// if $position;
        my $why = $server->pg_error_field('message_primary') // 'the server has ended';
        eval { $server->rollback };
        _failed($statement, $line, $why);
    }
    $server->commit;
    return;
}

sub _failed ($statement, $line, $why) {
    die join "\n", "the rules, line $line: $why", excerpt($statement, $line), "Nothing was copied.\n";
}

1;
