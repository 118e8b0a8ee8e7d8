mod desk;
mod fake;
mod histories;
mod requests;
