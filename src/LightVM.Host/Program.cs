using LightVM.Host;

using var session = Session.OfProcess();
return new CommandLine(session).Run(args);
